"""A client that TLS does not admit is told of in few and short lines."""

import json

from authz.observing.json_log import event_line
from authz.server.tls import San, SanKind
from authz.serving.refused_clients import MAX_LENGTH, MAX_NAMES, QUIET_SECONDS, RefusedClients


def test_the_first_refusal_is_logged_and_further_ones_are_counted_until_ten_seconds_have_passed() -> None:
    now = [100.0]
    refusals = RefusedClients(3, lambda: now[0])
    names = [San(SanKind.DNS, "other.example.org")]
    first = refusals.refused(names)
    assert first is not None
    assert first.fields == {"worker": 3, "names": ("other.example.org",), "refusals": 1}
    now[0] += QUIET_SECONDS - 0.1
    assert [refusals.refused(names) for _ in range(50)] == [None] * 50
    now[0] += 0.1
    later = refusals.refused(names)
    assert later is not None
    assert later.fields["refusals"] == 51


def test_a_line_holds_few_names_cut_and_escaped() -> None:
    names = [San(SanKind.URI, "a:\n\x1b[2J" + "b" * 5_000) for _ in range(100)]
    event = RefusedClients(0, lambda: 1.0).refused(iter(names))
    assert event is not None
    line = event_line(event, 1.0)
    assert line.isascii()
    assert line.isprintable()
    shown = json.loads(line)["names"]
    assert [len(name) for name in shown] == [MAX_LENGTH] * MAX_NAMES
