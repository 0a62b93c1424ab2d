"""Suggestions for misspelt names."""

from authz.documents.hints import did_you_mean, nearest


def test_the_nearest_name_is_suggested() -> None:
    assert did_you_mean("duo_chta", ["duo_chat", "duo_core"]) == "; did you mean 'duo_chat'?"


def test_nothing_is_suggested_where_no_name_is_near() -> None:
    assert did_you_mean("zzz", ["duo_chat"]) == ""
    assert nearest("zzz", ["duo_chat"]) is None


def test_a_stricter_cutoff_suggests_less() -> None:
    assert nearest("tier", ["tiers_file"], cutoff=0.5) == "tiers_file"
    assert nearest("tier", ["tiers_file"], cutoff=0.8) is None


def test_the_order_of_the_known_names_does_not_matter() -> None:
    assert nearest("ab", {"abc", "abd"}) == nearest("ab", ["abd", "abc"])
