"""Makes the certificate chain of a case, below one root that is the anchor of every issuer in the tables."""

import re
from typing import Final

from tests.support.cases.rows import CertificateRow, ChainRow
from tests.support.certificates import Certificate, x5c
from tests.support.issuers import Profile
from tests.support.minting import ROOT

STRANGER: Final = Certificate("Stranger", ca=True)
KINDS: Final = {"RS256": "RSA-2048", "ES256": "ES256", "EdDSA": "EdDSA"}
USAGES: Final = {"sign": "digital_signature", "certify": "key_cert_sign", "encipher": "key_encipherment"}
THUMBPRINT: Final = re.compile(r"<thumbprint of the (leaf|intermediate) (\S+)>")


def certificates(row: ChainRow, profile: Profile) -> dict[str, Certificate | bytes]:
    """Return the certificates that a chain may send, by their names in `sent`."""
    above = {"root": ROOT, "stranger": STRANGER, "itself": None}
    intermediate = _certificate(row.intermediate, "intermediate", above[row.intermediate.signed_by or "root"], "ES256")
    above["intermediate"] = intermediate
    signer = above[row.leaf.signed_by or "intermediate"]
    leaf = _certificate(row.leaf, "leaf", signer, KINDS[profile.algorithm], profile.certified_as or profile.identifier)
    return {"leaf": leaf, "intermediate": intermediate, "root": ROOT, "stranger": STRANGER, "junk": b"junk"}


def members(row: ChainRow, profile: Profile, part: str) -> dict[str, object]:
    """Return the `x5c` member of header or claims, if the row places it there."""
    found = certificates(row, profile)
    return {"x5c": x5c(found[name] for name in row.sent)} if row.placed in (part, "both") else {}


def with_thumbprints(text: str, profile: Profile) -> str:
    """Return a revocations file in which `<thumbprint of the leaf stolen>` is that of the leaf named `stolen`."""

    def thumbprint(found: re.Match[str]) -> str:
        row = ChainRow.model_validate({found[1]: CertificateRow(name=found[2])})
        certificate = certificates(row, profile)[found[1]]
        assert isinstance(certificate, Certificate)
        return certificate.thumbprint

    return THUMBPRINT.sub(thumbprint, text)


def _certificate(
    row: CertificateRow, place: str, signer: Certificate | None, kind: str, identity: str = ""
) -> Certificate:
    carried = identity if row.identity is None else row.identity
    return Certificate(
        row.name or place,
        ca=place == "intermediate" if row.authority is None else row.authority,
        signed_by=signer,
        kind=row.key or kind,
        uris=(carried,) if carried else (),
        starts=row.starts,
        ends=row.ends,
        usages=(USAGES[row.may],) if row.may else (),
    )
