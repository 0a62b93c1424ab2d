"""Reports files that look like policy or key files but are not read, such as those with a misspelt name."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from authz.documents.findings import Findings
from authz.documents.hints import nearest
from authz.policy.files import KEY_FILES

_FILES: Final = ("issuers.yml", "tiers.yml", "revocations.yml")
_CATALOGS: Final = ("catalog", "config")
_KINDS: Final = ("unit_primitives", "backend_services", "add_ons", "license_types", "services", "operators")
_FOLDERS: Final = ("rules", *_CATALOGS, "keys")
# Someone who knows rules/ may make a folder of the one optional file, and its absence would not show.
_NO_FOLDERS: Final = {"revocations": "revocations.yml"}
_SUFFIXES: Final = frozenset({".yml", ".yaml", ".json", ""})


def report_misnamed(policy: Path, findings: Findings) -> None:
    """Report misspelt names in a policy directory, and a second catalog; other files are ignored."""
    entries = sorted(entry for entry in policy.glob("*") if not entry.name.startswith("."))
    for entry in entries:
        read, known = (_FOLDERS, {*_FOLDERS, *_NO_FOLDERS}) if entry.is_dir() else (_FILES, _FILES)
        if entry.name in read or not (entry.is_dir() or entry.suffix.lower() in _SUFFIXES):
            continue
        near = nearest(entry.name.lower(), known, cutoff=0.75)
        if near is not None:
            findings.problem(entry, 0, f"is not read: did you mean {_NO_FOLDERS.get(near, near)}?")
    for entry in (entry for name in _CATALOGS for entry in sorted((policy / name).glob("*")) if entry.is_dir()):
        near = nearest(entry.name, _KINDS, cutoff=0.75)
        if near is not None and entry.name not in _KINDS:
            findings.problem(entry, 0, f"is not read: did you mean {near}?")
    if all((policy / name).is_dir() for name in _CATALOGS):
        findings.problem(policy / "config", 0, "is not read beside catalog/: keep one of the two")


def report_unknown_keys(keys: Path, issuers: Collection[str], findings: Findings) -> None:
    """Warn of key files whose issuer does not exist; files of issuers that are not loaded are ignored."""
    for file in sorted(keys.glob("*")):
        ending = next((ending for ending in KEY_FILES if file.name.endswith(ending)), None)
        name = file.name.removesuffix(ending or "")
        if ending is not None and name not in issuers:
            near = nearest(name, issuers)
            hint = "" if near is None else f"; did you mean {near}{ending}?"
            findings.warning(file, 0, f"is not read: issuers.yml has no issuer '{name}'{hint}")
