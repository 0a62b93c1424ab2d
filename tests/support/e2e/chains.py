"""The certificates of end-to-end tests: one root for the issuers that trust chains, and their leaves."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.support.certificates import Certificate, pem, x5c
from tests.support.minting import Minter, write_keys

STARTED: Final = datetime.now(UTC).replace(microsecond=0)
ROOT: Final = Certificate("Root", ca=True, now=STARTED)
INTERMEDIATE: Final = Certificate("Intermediate", ca=True, signed_by=ROOT, now=STARTED)
LEAF: Final = Certificate(
    "Leaf",
    signed_by=INTERMEDIATE,
    kind="RSA-2048",
    uris=("https://customers.gitlab.com",),
    now=STARTED,
)
SISTER: Final = replace(LEAF, name="Sister", uris=("https://gitlab.com",))


def write_keys_and_anchors(folder: Path) -> Path:
    """Write the key sets of the shipped issuers, and the root for GitLab's own."""
    write_keys(folder)
    for issuer in ("customers-dot", "gitlab-com"):
        (folder / f"{issuer}.ca.pem").write_text(pem([ROOT]))
    return folder


def chain_token(
    mint: Minter, leaf: Certificate = LEAF, placement: str = "header", issuer: str = "customers-dot"
) -> str:
    """Return a valid token that a leaf signed, with its chain in the header or the claims."""
    carried = {"x5c": x5c([leaf, INTERMEDIATE])}
    header = {"kid": None, **(carried if placement == "header" else {})}
    return mint.token(issuer, carried if placement == "claims" else {}, header, leaf.key)
