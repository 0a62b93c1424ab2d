"""Problems are shown as an editor understands them, all at once and in file order."""

from pathlib import Path

import pytest

from authz.documents.findings import ConfigurationError, Findings, Problem

FIRST, SECOND = Path("a.yml"), Path("b.yml")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        pytest.param(7, "a.yml:7: mend this", id="a line"),
        pytest.param(0, "a.yml: mend this", id="the file as a whole"),
    ],
)
def test_a_problem_names_its_file_and_line(line: int, shown: str) -> None:
    assert str(Problem(FIRST, line, "mend this")) == shown


def test_every_problem_is_reported_once_in_file_order() -> None:
    findings = Findings()
    findings.problem(SECOND, 1, "later")
    findings.problem(FIRST, 10, "middle")
    findings.problem(FIRST, 2, "early")
    findings.problem(FIRST, 2, "early")
    with pytest.raises(ConfigurationError) as caught:
        findings.conclude()
    assert str(caught.value) == "a.yml:2: early\na.yml:10: middle\nb.yml:1: later"
    assert len(caught.value.problems) == 3


def test_warnings_stop_nothing() -> None:
    findings = Findings()
    findings.warning(FIRST, 1, "odd")
    findings.conclude()
    assert findings.warnings == [Problem(FIRST, 1, "odd")]
