"""Removed endpoints: which rules mark them, and from when on they answer 410."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from authz.documents.findings import Findings
from authz.documents.reader import read_folder
from authz.model import GoneRule, PublicRule
from authz.policy.rules.gone import GoneEndpoint, gone_endpoints
from authz.policy.rules.reader import read_rules
from authz.policy.rules.schema import RulesFile
from tests.support.examples import CATALOG
from tests.support.files import write
from tests.support.tables import row

DATE: Final = datetime(2027, 3, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
ALONE: Final = "{path: /x, methods: [POST, GET], gone: 2027-03-01}"
DATED: Final = "{path: /x, methods: [GET], public: true, gone: 2027-03-01}"
STAYS: Final = "{path: /y, methods: [GET], public: true}"


def found(folder: Path, *rules: str, prefix: str = "/p", file: str = "a") -> tuple[GoneEndpoint, ...]:
    """Return the endpoints of a folder, after a file with these rules was added."""
    body = "".join(f"  - {rule}\n" for rule in rules)
    write(folder / f"{file}.yml", f"backend_service: alpha\nprefix: {prefix}\nrules:\n{body}")
    findings = Findings()
    documents = read_folder(folder, RulesFile, findings)
    findings.conclude()
    return gone_endpoints(documents)


def test_an_endpoint_has_its_whole_path_and_the_line_of_its_rule(tmp_path: Path) -> None:
    assert found(tmp_path, STAYS, ALONE) == (
        GoneEndpoint(
            path="/p/x",
            methods=("POST", "GET"),
            backend_service="alpha",
            date=DATE,
            always=True,
            file=tmp_path / "a.yml",
            line=5,
        ),
    )


def test_the_prefix_of_everything_is_no_part_of_the_path(tmp_path: Path) -> None:
    assert found(tmp_path, DATED, prefix="/")[0].path == "/x"


def test_the_order_is_that_of_dates_and_then_of_paths(tmp_path: Path) -> None:
    found(tmp_path, DATED.replace("03-01", "03-02"), DATED.replace("/x", "/b"))
    endpoints = found(tmp_path, DATED, DATED.replace("/x", "/a"), file="b")
    assert [each.path for each in endpoints] == ["/p/a", "/p/b", "/p/x", "/p/x"]
    assert endpoints[2].date < endpoints[3].date


@pytest.mark.parametrize(
    ("rule", "now", "gone"),
    [
        row("before its date", DATED, DATE - SECOND, False),
        row("from its date on", DATED, DATE, True),
        row("alone, before its date", ALONE, DATE - SECOND, True),
        row("alone, from its date on", ALONE, DATE, True),
    ],
)
def test_an_endpoint_is_gone_when_its_rule_answers_410(rule: str, now: datetime, gone: bool, tmp_path: Path) -> None:
    (endpoint,) = found(tmp_path, rule)
    assert endpoint.is_gone(now) is gone
    # The rule that decides says the same.
    decides = read_rules(tmp_path, CATALOG, Findings()).match("GET", "/p/x")
    assert isinstance(decides, GoneRule | PublicRule)
    assert decides.gone is not None
    assert (isinstance(decides, GoneRule) or decides.gone.at <= now.timestamp()) is gone
