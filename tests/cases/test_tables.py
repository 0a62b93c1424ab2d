"""A mistake in a decision table is an error with file and line, never a case that tests nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authz.errors import ConfigurationError
from tests.cases.tables import read_rows

if TYPE_CHECKING:
    from pathlib import Path

HEALTHY = "cases:\n  - {id: one, allow: complete_code}\n"


def refusal(folder: Path, text: str) -> str:
    (folder / "table.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_rows(folder)
    return str(caught.value)


def test_a_table_without_a_mistake_is_read(tmp_path: Path) -> None:
    (tmp_path / "table.yaml").write_text(HEALTHY)
    [(name, row)] = read_rows(tmp_path)
    assert (name, row.allow) == ("table: one", "complete_code")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEALTHY + "  - {id: two, alow: complete_code}\n", "table.yaml:3: unknown key 'alow'; did you mean 'allow'?"),
        (HEALTHY + "  - {id: two, deny: no_rule, token: {scope: [x]}}\n", "table.yaml:3: unknown key 'scope'"),
        (HEALTHY + "  - {id: two}\n", "neither 'allow' nor 'deny': two"),
        (HEALTHY + "  - {id: two, allow: public, deny: no_rule}\n", "table.yaml:3"),
        (HEALTHY + "  - {id: one, deny: no_rule}\n", "ids that stand twice: one"),
        (HEALTHY + "  - {id: two, deny: no_rules}\n", "reason 'no_rules' is not in reasons.yaml"),
        (HEALTHY + "  - {id: two, deny: invalid_token}\n", "'token_error' belong together"),
        (HEALTHY + "  - {id: two, deny: no_rule, token_error: expired}\n", "'token_error' belong together"),
        (HEALTHY + "  - {id: two, deny: invalid_token, token_error: x}\n", "token error 'x' is not in reasons.yaml"),
        (HEALTHY + "  - {id: two, deny: missing_scope}\n", "'names' fills a message"),
        (HEALTHY + "  - {id: two, deny: no_rule, names: x}\n", "'names' fills a message"),
        (HEALTHY + "  - {id: two, allow: complete_code, names: x}\n", "'names' fills a message"),
        (HEALTHY + "  - {id: two, allow: public, reply: {x: y}}\n", "an allowed request has none"),
        (HEALTHY + "  - {id: two, deny: no_rule, request_headers: {x: y}}\n", "a refused request has none"),
        (HEALTHY + "  - {id: two, deny: no_rule, token: {without: [subj]}}\n", "table.yaml:3"),
        (HEALTHY + "  - {id: two, deny: no_rule, token: {times: {expiry: 1}}}\n", "table.yaml:3"),
        (HEALTHY + "  - {id: two, request: /ai, deny: no_rule}\n", "table.yaml:3"),
        (HEALTHY + "  - {id: two, id: three, deny: no_rule}\n", "table.yaml:3: key 'id' stands twice"),
        ("defaults: {deny: no_rule}\n", "holds 'cases' or 'endpoints'"),
        ("", "is empty"),
    ],
)
def test_a_mistake_is_named(text: str, said: str, tmp_path: Path) -> None:
    assert said in refusal(tmp_path, text)
