"""The key ring: which public keys speak for which issuer."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, load_der_x509_certificate

from authz.documents.findings import Findings
from authz.model import Algorithm, Issuer, Trust
from authz.tokens.keys.anchors import read_anchors
from authz.tokens.keys.key import VerificationKey, spki
from authz.tokens.keys.key_sets import MAX_KEYS_WITHOUT_KID, read_key_set

T = TypeVar("T")
_FILES: Final = {Trust.PACKAGED_KEYS: ("key", ".jwks.json"), Trust.CERTIFICATE_CHAIN: ("certificate", ".ca.pem")}
"""What is trusted, and how the names of its files end."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by issuer name, then by key id; and each issuer's trust anchors."""

    by_issuer: Mapping[str, Mapping[str, VerificationKey]]
    anchors: Mapping[str, tuple[Certificate, ...]]

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle certificates as DER: cryptography's own objects cannot be pickled."""
        keys = {issuer: dict(named) for issuer, named in self.by_issuer.items()}
        anchors = {
            issuer: [each.public_bytes(Encoding.DER) for each in roots] for issuer, roots in self.anchors.items()
        }
        return _restored, (keys, anchors)

    def named(self, issuer: Issuer, kid: str) -> VerificationKey | None:
        """Return the key with that id, of that issuer and no other."""
        return self.by_issuer[issuer.name].get(kid)

    def fitting(self, issuer: Issuer, algorithm: Algorithm) -> tuple[VerificationKey, ...]:
        """Return the issuer's keys for an algorithm, at most four."""
        keys = self.by_issuer[issuer.name].values()
        return tuple(key for key in keys if key.algorithm is algorithm)[:MAX_KEYS_WITHOUT_KID]


def _restored(keys: dict[str, dict[str, VerificationKey]], anchors: dict[str, list[bytes]]) -> KeyRing:
    by_issuer = {issuer: MappingProxyType(named) for issuer, named in keys.items()}
    roots = {issuer: tuple(map(load_der_x509_certificate, octets)) for issuer, octets in anchors.items()}
    return KeyRing(MappingProxyType(by_issuer), MappingProxyType(roots))


def read_keys(folder: Path, issuers: Sequence[Issuer], *, allow_empty: bool, findings: Findings) -> KeyRing:
    """Read `<issuer name>.jwks.json` and `<issuer name>.ca.pem` of each issuer; problems go to `findings`.

    An issuer with neither, for the kinds of trust it lists, is a problem unless `allow_empty`.
    """
    keys: dict[str, Mapping[str, VerificationKey]] = {}
    anchors: dict[str, tuple[Certificate, ...]] = {}
    if issuers and not allow_empty and _is_missing(folder):
        findings.problem(folder, 0, "this folder of keys does not exist: name the right one with --keys, or make it")
        allow_empty = True
    for issuer in issuers:
        before = len(findings.problems)
        keys[issuer.name] = MappingProxyType(_trusted(folder, issuer, Trust.PACKAGED_KEYS, read_key_set, {}, findings))
        anchors[issuer.name] = _trusted(folder, issuer, Trust.CERTIFICATE_CHAIN, _read_anchors, (), findings)
        empty = not keys[issuer.name] and not anchors[issuer.name]
        if empty and not allow_empty and len(findings.problems) == before:
            files = (
                f"no {what} in {issuer.name}{end}" for trust, (what, end) in _FILES.items() if trust in issuer.trust
            )
            advice = "put one there, or start with --allow-empty-issuers to refuse this issuer's tokens"
            findings.problem(folder, 0, f"issuer '{issuer.name}' has {' and '.join(files)}: {advice}")
    _report_shared(folder, keys, findings)
    return KeyRing(MappingProxyType(keys), MappingProxyType(anchors))


def _is_missing(folder: Path) -> bool:
    try:
        folder.stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return False


def _trusted(
    folder: Path, issuer: Issuer, trust: Trust, read: Callable[[Path, Issuer, Findings], T], none: T, findings: Findings
) -> T:
    """Read an issuer's file of that kind, if there is one; a file that would not be used is a warning."""
    _, ending = _FILES[trust]
    file = folder / f"{issuer.name}{ending}"
    if trust in issuer.trust:
        return read(file, issuer, findings)
    if os.path.exists(file):  # noqa: PTH110  Path.exists raises where a folder cannot be searched
        findings.warning(file, 0, f"is ignored: issuer '{issuer.name}' does not list {trust} under trust (issuers.yml)")
    return none


def _read_anchors(file: Path, _issuer: Issuer, findings: Findings) -> tuple[Certificate, ...]:
    return read_anchors(file, findings)


def _report_shared(folder: Path, keys: Mapping[str, Mapping[str, VerificationKey]], findings: Findings) -> None:
    owners: dict[bytes, VerificationKey] = {}
    for key in (key for ring in keys.values() for key in ring.values()):
        other = owners.setdefault(spki(key.material), key)
        if other.issuer != key.issuer:
            other_key = f"key '{other.kid}' of issuer '{other.issuer}'"
            message = f"key '{key.kid}' is also {other_key}: a key may belong to one issuer only"
            findings.problem(folder / f"{key.issuer}.jwks.json", 0, message)
