"""Which clients may ask: names are compared exactly, each with its own kind."""

from collections.abc import Iterable

import pytest

from authz.server.tls import MAX_SAN_LENGTH, Credentials, San, SanKind, Security
from tests.support.tables import row

SPIFFE = San(SanKind.URI, "spiffe://example.org/envoy")
HOST = San(SanKind.DNS, "envoy.example.org")


def security(refused: list[tuple[San, ...]], *clients: San) -> Security:
    def note(names: Iterable[San]) -> None:
        refused.append(tuple(names))

    return Security(lambda: Credentials(b"", b"", b""), frozenset(clients), note)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        row("a host", "envoy.example.org", SanKind.DNS),
        row("one label", "envoy", SanKind.DNS),
        row("an underscore", "_envoy.example.org", SanKind.DNS),
        row("a SPIFFE ID", "spiffe://example.org/ns/door/sa/envoy", SanKind.URI),
        row("another URI", "urn:envoy:1", SanKind.URI),
        row("as long as a name may be", "spiffe://" + "a" * (MAX_SAN_LENGTH - 9), SanKind.URI),
    ],
)
def test_a_name_is_a_host_or_a_uri(text: str, kind: SanKind) -> None:
    assert San.parse(text) == San(kind, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        row("a wildcard", "*.example.org", "compared exactly"),
        row("a wildcard in a SPIFFE ID", "spiffe://example.org/*", "compared exactly"),
        row("IPv4", "10.0.0.1", "is an IP address"),
        row("IPv6", "::1", "is an IP address"),
        row("a host with a port", "envoy.example.org:9000", "neither a DNS name nor a URI"),
        row("empty", "", "neither a DNS name nor a URI"),
        row("a space", "envoy example", "neither a DNS name nor a URI"),
        row("a line break", "envoy\n", "neither a DNS name nor a URI"),
        row("a backslash, which stands for bytes beyond ASCII", "spiffe://e/\\xff", "neither a DNS name nor a URI"),
        row("a label of 64 letters", "a" * 64, "neither a DNS name nor a URI"),
        row("a URI that is too long", "spiffe://" + "a" * (MAX_SAN_LENGTH - 8), "neither a DNS name nor a URI"),
        row("a dot at the end", "envoy.example.org.", "neither a DNS name nor a URI"),
    ],
)
def test_what_matches_no_client_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        San.parse(text)


@pytest.mark.parametrize(
    "shown",
    [
        row("the only name", [SPIFFE]),
        row("one of several", [San(SanKind.DNS, "x"), HOST]),
    ],
)
def test_a_client_with_one_of_the_names_may_ask(shown: list[San]) -> None:
    refused: list[tuple[San, ...]] = []
    assert security(refused, SPIFFE, HOST).admits(shown)
    assert refused == []


@pytest.mark.parametrize(
    "shown",
    [
        row("no name", []),
        row("another host", [San(SanKind.DNS, "other.example.org")]),
        row("a host below", [San(SanKind.DNS, "a.envoy.example.org")]),
        row("in capitals", [San(SanKind.DNS, "Envoy.example.org")]),
        row("the text of a URI as a host", [San(SanKind.DNS, SPIFFE.text)]),
        row("the text of a host as a URI", [San(SanKind.URI, HOST.text)]),
        row("a path below", [San(SanKind.URI, SPIFFE.text + "/more")]),
        row("a slash more", [San(SanKind.URI, SPIFFE.text + "/")]),
        row("a NUL behind it", [San(SanKind.DNS, HOST.text + "\0.evil.org")]),
    ],
)
def test_every_other_client_is_refused_and_told_of(shown: list[San]) -> None:
    refused: list[tuple[San, ...]] = []
    assert not security(refused, SPIFFE, HOST).admits(shown)
    assert refused == [tuple(shown)]


def test_the_private_key_is_in_no_text_about_credentials() -> None:
    assert "secret" not in repr(Credentials(b"certificate", b"secret", b"ca"))
