"""`make supply`: lists the image's Python packages, their licences and their known vulnerabilities.

It reads requirements/run.txt, the lock that the image is built from; it does not build the image.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, distributions
from pathlib import Path

from dev import install

LOCK = Path("requirements/run.txt")
INTO = Path("dist/supply")
SBOM, LICENCES, VULNERABILITIES = "sbom.cdx.json", "licences.txt", "vulnerabilities.txt"
AUDIT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Package:
    """One distribution in the image."""

    name: str
    version: str
    licence: str


def main() -> int:
    """Return 1 if a vulnerability was found or a step failed, else 0, also if the data cannot be reached."""
    asked = _parser().parse_args()
    asked.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        environment = Path(scratch, "image")
        if not _install(environment):
            return 1
        sbom = asked.into / SBOM
        if not _write_sbom(environment, sbom):
            return 1
        found = tuple(packages(environment))
        _write_licences(found, asked.into / LICENCES)
    print(f"{sbom}: {len(found)} packages, CycloneDX")
    print(f"{asked.into / LICENCES}: {len({each.licence for each in found})} different licences")
    return _audit(asked.into / VULNERABILITIES)


def _install(environment: Path) -> bool:
    """Install the image's packages into a new environment."""
    try:
        install.install(LOCK.stem, environment)
    except install.InstallError as problem:
        print(f"supply: {problem}", file=sys.stderr)
        return False
    return True


def _write_sbom(environment: Path, to: Path) -> bool:
    return _ran(
        [
            *(sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--pyproject"),
            *(
                "pyproject.toml",
                "--output-format",
                "JSON",
                "--output-file",
                str(to),
                str(environment / "bin" / "python"),
            ),
        ]
    )


def packages(environment: Path) -> Iterator[Package]:
    """Yield the installed packages by name, with the licence of each one's metadata."""
    (site,) = (environment / "lib").glob("python3*/site-packages")
    for each in sorted(distributions(path=[str(site)]), key=lambda found: found.name.lower()):
        yield Package(each.name, each.version, _licence(each.metadata))


def _licence(metadata: PackageMetadata) -> str:
    """Return the SPDX expression (PEP 639) or, in older metadata, the text or the classifier."""
    classified = (each.rpartition(" :: ")[2] for each in metadata.get_all("Classifier", []) if "License ::" in each)
    stated = (*metadata.get_all("License-Expression", []), *metadata.get_all("License", []), *classified)
    return next((text.strip().splitlines()[0] for text in stated if text.strip()), "not stated")


def _write_licences(found: Sequence[Package], to: Path) -> None:
    width = max(len(f"{each.name} {each.version}") for each in found)
    lines = (f"{f'{each.name} {each.version}':<{width}}  {each.licence}\n" for each in found)
    to.write_text("".join(lines), "utf-8")


def _audit(to: Path) -> int:
    """Write the report of known vulnerabilities; return 1 if there are any."""
    line = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--require-hashes", "--disable-pip"]
    try:
        done = subprocess.run(
            [*line, "--format", "json"], capture_output=True, text=True, check=False, timeout=AUDIT_SECONDS
        )
        report = audited(done.stdout, done.stderr)
    except subprocess.TimeoutExpired:
        report = audited("", f"no answer within {AUDIT_SECONDS} s")
    to.write_text("".join(f"{each}\n" for each in report.lines), "utf-8")
    print(f"{to}: {report.lines[0]}")
    return int(report.found > 0)


@dataclass(frozen=True, slots=True)
class Report:
    """The known vulnerabilities; the first line is the summary."""

    found: int
    lines: tuple[str, ...]


def audited(report: str, problem: str) -> Report:
    """Read pip-audit's JSON; `problem` is what it wrote to stderr. Packages that it skipped do not count as checked."""
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = (problem.strip().splitlines() or ["it gave no reason"])[-1]
        return Report(0, ("NOT KNOWN: pip-audit could not reach its data", reason))
    skipped = [f"{each['name']}: {each['skip_reason']}" for each in packages if "skip_reason" in each]
    holes = [
        f"{each['name']} {each['version']}: {hole['id']}, fixed in {', '.join(hole['fix_versions']) or 'none yet'}"
        for each in packages
        for hole in each.get("vulns", ())
    ]
    checked = f"{len(packages) - len(skipped)} of {len(packages)} packages checked"
    if holes:
        return Report(len(holes), (f"{len(holes)} known vulnerabilities, {checked}", *holes, *skipped))
    if skipped:
        return Report(0, (f"NOT KNOWN: {checked}, pip-audit could not reach the data of the others", *skipped))
    return Report(0, (f"no known vulnerabilities, {checked}",))


def _ran(line: Sequence[str]) -> bool:
    done = subprocess.run(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        print(f"supply: {' '.join(line)} failed:\n{done.stderr.strip()}", file=sys.stderr)
    return done.returncode == 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.supply", description="SBOM, licences, known vulnerabilities")
    parser.add_argument("--into", type=Path, default=INTO, help=f"where the three files go (default: {INTO})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
