"""A compact JWS is taken apart in one way or in none; nothing in it is believed here."""

import pytest

from authz.tokens.jws import parse
from tests.support.signing import b64

HEADER, CLAIMS, SIGNATURE = b64(b'{"alg":"RS256"}'), b64(b'{"iss":"x"}'), b64(b"signature")


def test_the_parts_are_what_was_signed_and_what_it_says() -> None:
    jws = parse(f"{HEADER}.{CLAIMS}.{SIGNATURE}")
    assert jws is not None
    assert (dict(jws.header), dict(jws.claims)) == ({"alg": "RS256"}, {"iss": "x"})
    assert (jws.signing_input, jws.signature) == (f"{HEADER}.{CLAIMS}".encode(), b"signature")


def test_every_last_character_of_the_alphabet_is_read() -> None:
    for last in range(256):
        signature = bytes((0, 0, last))
        jws = parse(f"{HEADER}.{CLAIMS}.{b64(signature)}")
        assert jws is not None
        assert jws.signature == signature


def test_json_may_hold_spaces_around_its_values() -> None:
    assert parse(f"{b64(b' {} ')}.{CLAIMS}.{SIGNATURE}") is not None


def later_bits(part: str) -> str:
    """Return another text that a lenient decoder reads as the same bytes."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return part[:-1] + alphabet[alphabet.index(part[-1]) + 1]


UNEVEN = b64(b'{"a":12}')
assert len(UNEVEN) % 4

NOT_COMPACT = {
    "empty": "",
    "one part": HEADER,
    "two parts": f"{HEADER}.{CLAIMS}",
    "four parts": f"{HEADER}.{CLAIMS}.{SIGNATURE}.{SIGNATURE}",
    "an encrypted token's five parts": ".".join([HEADER] * 5),
    "no signature": f"{HEADER}.{CLAIMS}.",
    "no header": f".{CLAIMS}.{SIGNATURE}",
    "no claims": f"{HEADER}..{SIGNATURE}",
    "a space in front": f" {HEADER}.{CLAIMS}.{SIGNATURE}",
    "a line break at the end": f"{HEADER}.{CLAIMS}.{SIGNATURE}\n",
    "a line break inside": f"{HEADER}.{CLAIMS[:4]}\n{CLAIMS[4:]}.{SIGNATURE}",
    "padding": f"{HEADER}.{UNEVEN}=.{SIGNATURE}",
    "a padded signature": f"{HEADER}.{CLAIMS}.{b64(b'1234')}==",
    "the other alphabet's plus": f"{HEADER}.{CLAIMS}.+{SIGNATURE[1:]}",
    "the other alphabet's slash": f"{HEADER}.{CLAIMS}./{SIGNATURE[1:]}",
    "a character of no alphabet": f"{HEADER}.{CLAIMS}.é{SIGNATURE[1:]}",
    "a wide digit": f"{HEADER}.{CLAIMS}.\uff11{SIGNATURE[1:]}",
    "a lone surrogate": f"{HEADER}.{CLAIMS}.\ud800",
    "a length that no bytes have, in the header": f"AAAAA.{CLAIMS}.{SIGNATURE}",
    "a length that no bytes have, in the signature": f"{HEADER}.{CLAIMS}.AAAAA",
    "trailing bits in the header": f"{later_bits(UNEVEN)}.{CLAIMS}.{SIGNATURE}",
    "trailing bits in the claims": f"{HEADER}.{later_bits(UNEVEN)}.{SIGNATURE}",
    "trailing bits in the signature": f"{HEADER}.{CLAIMS}.{later_bits(b64(b'1234'))}",
}


@pytest.mark.parametrize("token", NOT_COMPACT.values(), ids=NOT_COMPACT.keys())
def test_what_a_lenient_reader_would_take_is_refused(token: str) -> None:
    assert parse(token) is None


NO_OBJECT = {
    "nothing": b" ",
    "a list": b"[]",
    "a text": b'"alg"',
    "null": b"null",
    "a number": b"7",
    "not JSON": b"alg=RS256",
    "cut off": b'{"alg":',
    "two objects": b"{}{}",
    "not UTF-8": b'{"a":"\xff"}',
    "UTF-16": "{}".encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a member twice": b'{"a":1,"a":1}',
    "a member twice, once escaped": b'{"a":1,"\\u0061":2}',
    "a member twice, deeper": b'{"x":[{"a":1,"a":1}]}',
    "NaN": b'{"a":NaN}',
    "infinity": b'{"a":-Infinity}',
    "nested 5,000 deep": b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "nested 5,000 deep without an end": b'{"a":' * 5_000,
    "a number of 5,000 digits": b'{"a":' + b"9" * 5_000 + b"}",
}


@pytest.mark.parametrize("part", ["header", "claims"])
@pytest.mark.parametrize("octets", NO_OBJECT.values(), ids=NO_OBJECT.keys())
def test_header_and_claims_are_objects_of_one_reading(octets: bytes, part: str) -> None:
    header, claims = (b64(octets), CLAIMS) if part == "header" else (HEADER, b64(octets))
    assert parse(f"{header}.{claims}.{SIGNATURE}") is None
