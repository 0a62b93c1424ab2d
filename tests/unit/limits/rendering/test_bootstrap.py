"""The bootstrap: text with marked lines; one that is missing, misspelt or repeated is a problem."""

from pathlib import Path
from typing import Any

import pytest

from authz.documents.findings import Findings
from authz.limits.rendering.bootstrap import Marker, header_patterns, read_bootstrap, with_sections
from tests.support.files import shown

TEXT = """\
a: 1   # limits: not a line of its own
# limits: headers for authz
  # limits: before authz
# limits: behind authz
    # limits: access log
# limits: clusters
""".replace("clusters\n", "clusters  \n")


def found(folder: Path, text: str) -> tuple[str, list[str]]:
    file = folder / "envoy.yaml"
    file.write_text(text)
    findings = Findings()
    return read_bootstrap(file, findings), shown(sorted(findings.problems))


def test_a_bootstrap_has_every_marker_once(tmp_path: Path) -> None:
    assert found(tmp_path, TEXT) == (TEXT, [])


@pytest.mark.parametrize(
    ("old", "new", "problems"),
    [
        pytest.param(
            "# limits: clusters  \n",
            "",
            ["envoy.yaml:0: the line '# limits: clusters' is missing: it marks where the limits go"],
            id="missing",
        ),
        pytest.param(
            "a: 1",
            "# limits: clusters\na: 1",
            ["envoy.yaml:7: '# limits: clusters' is here twice, first on line 1"],
            id="twice",
        ),
        pytest.param(
            "a: 1",
            "# limits: befor authz\na: 1",
            ["envoy.yaml:1: '# limits: befor authz' is not a known mark; did you mean '# limits: before authz'?"],
            id="misspelt",
        ),
    ],
)
def test_a_marker_that_is_missing_misspelt_or_repeated_is_a_problem(
    tmp_path: Path, old: str, new: str, problems: list[str]
) -> None:
    assert found(tmp_path, TEXT.replace(old, new, 1))[1] == problems


def test_a_bootstrap_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    findings = Findings()
    read_bootstrap(tmp_path / "envoy.yaml", findings)
    (tmp_path / "latin.yaml").write_bytes(b"# \xe9\n")
    read_bootstrap(tmp_path / "latin.yaml", findings)
    assert shown(findings.problems) == [
        "envoy.yaml:0: cannot be read: No such file or directory",
        "latin.yaml:0: is not UTF-8",
    ]


def test_a_section_is_as_deep_as_its_marker_and_every_other_line_stays() -> None:
    sections: dict[Marker, Any] = {
        Marker.HEADERS: header_patterns(["authorization", "X-Purpose"]),
        Marker.BEFORE_AUTHZ: [{"name": "a", "b": {"c": [{"d": 1}]}}, {"name": "e"}],
        Marker.BEHIND_AUTHZ: [{"name": "ratelimit", "b": [1]}],
        Marker.ACCESS_LOG: {"failed": "%a%"},
    }
    assert with_sections(TEXT, sections).splitlines() == [
        "a: 1   # limits: not a line of its own",
        "- {exact: authorization, ignore_case: true}", "- {exact: X-Purpose, ignore_case: true}",
        "  - name: a", "    b:", "      c:", "      - {d: 1}", "  - {name: e}",
        "- name: ratelimit   # the rate limit service; limits.yaml says where it is and what follows without an answer",
        "  b: [1]",
        "    failed: '%a%'",
    ]  # fmt: skip
