"""docs/upstream.md has what the shipped policy does for each upstream fact, and a reason for each difference."""

from pathlib import Path

import pytest

from tests.support.upstream import FACTS
from tests.support.upstream_page import PAGE, UpstreamError, page, reasons


def test_the_page_is_up_to_date_and_every_difference_has_a_reason(tmp_path: Path) -> None:
    assert page(tmp_path, reasons()) == PAGE.read_text("utf-8"), "run make upstream"


def test_every_file_of_facts_names_its_origin() -> None:
    for file in sorted(FACTS.glob("*.yml")):
        assert file.read_text("utf-8").startswith("# "), file.name


def test_a_difference_without_a_reason_is_an_error(tmp_path: Path) -> None:
    fewer = {name: why for name, why in reasons().items() if name != "service duo_chat"}
    with pytest.raises(UpstreamError, match="service duo_chat: upstream has "):
        page(tmp_path, fewer)


def test_a_reason_without_a_difference_is_an_error(tmp_path: Path) -> None:
    more = {**reasons(), "POST /v2/completions": "It does not differ."}
    with pytest.raises(UpstreamError, match="POST /v2/completions: has a reason, but does not differ"):
        page(tmp_path, more)
