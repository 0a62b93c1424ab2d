"""GitLab versions: numbers between dots, and nothing else."""

from itertools import pairwise

import pytest

from authz.policy.catalog.versions import Version

RISING = ("9.20", "16.0", "16.0.1", "16.9", "16.9.99", "16.10", "16.10.1", "16.10.10", "17.0", "17.0.1", "100.0")


@pytest.mark.parametrize(("lower", "upper"), list(pairwise(RISING)))
def test_versions_rise_number_by_number(lower: str, upper: str) -> None:
    assert Version.parse(lower) < Version.parse(upper)
    assert not Version.parse(upper) <= Version.parse(lower)


@pytest.mark.parametrize(
    "text", ["17.8", "17.8.0", "v17.8", "17.8-ee", "17.8.0-pre", "17.8.0.pre", "17.8.0+build.1", "17.08"]
)
def test_ways_to_write_one_version_are_equal(text: str) -> None:
    assert Version.parse(text) == Version.parse("17.8")
    assert hash(Version.parse(text)) == hash(Version.parse("17.8"))


@pytest.mark.parametrize("text", ["17.8", "17.8.0", "17.10", "v17.8.1-ee"])
def test_a_version_is_shown_as_it_was_written(text: str) -> None:
    assert str(Version.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "17", "17.", ".8", "17.8.", "17.8.1.2", "17,8", "17.x", "-17.8", " 17.8", "17.8 ", "17.8\n", "17.8-",
     "12345.0", "17.8.12345", "17.٨", "latest"],
)  # fmt: skip
def test_anything_else_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="should be a GitLab version"):
        Version.parse(text)
