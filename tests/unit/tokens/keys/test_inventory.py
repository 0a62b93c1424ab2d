"""What is trusted, as plain values: the age of keys and the end of anchors."""

from types import MappingProxyType

import pytest

from authz.model import Algorithm
from authz.tokens.keys.inventory import Anchor, PackagedKey, Trusted, trusted
from authz.tokens.keys.key import VerificationKey
from authz.tokens.keys.ring import KeyRing
from tests.support.certificates import NOW, Certificate
from tests.support.signing import key

KEY = key("trusted-1").private.public_key()
ROOT = Certificate("trusted root", ca=True, ends=1_000.0)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-01-01T00:00:00Z", 1_767_225_600.0),
        ("2026-01-01T01:00:00+01:00", 1_767_225_600.0),
        ("2026-01-01", 1_767_225_600.0),
        ("yesterday", None),
        (None, None),
    ],
)
def test_a_key_is_as_old_as_its_file_says(written: str | None, moment: float | None) -> None:
    keys = {"first": {"kid-1": VerificationKey("first", "kid-1", Algorithm.RS256, KEY, written)}}
    facts = trusted(KeyRing(keys, MappingProxyType({})))
    assert facts == Trusted((PackagedKey("first", "kid-1", moment),), ())


def test_an_anchor_has_a_thumbprint_and_an_end() -> None:
    facts = trusted(KeyRing({}, {"first": (ROOT.signed,), "second": ()}))
    assert facts == Trusted((), (Anchor("first", ROOT.thumbprint, NOW.timestamp() + 1_000),))
