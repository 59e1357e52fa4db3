from __future__ import annotations

import pytest
from lines import ALL, PROBE, log

from module_utils.health.mail_log import Line
from module_utils.health.trace import trace

SCAN = "A1: to=<a@b>, relay=127.0.0.1[127.0.0.1]:10025, delay=1, delays=0/0/1/0, dsn=2.0.0, "
NAMED = Line("postfix/cleanup", f"A1: message-id={PROBE}")


@pytest.mark.parametrize("name", ALL)
def test_a_message_is_followed_through_both_queues_to_the_next_host(name: str) -> None:
    found = trace(log(name), PROBE, 10025)
    first, second = found.hops
    front = "postfix/after-filter/smtpd" if name.startswith("inline") else "postfix/smtpd"
    assert (first.taken_by, second.taken_by) == (front, "postfix/reinject/smtpd")
    assert found.scanned
    assert found.departure is not None
    assert found.departure.relay.startswith("mailstore[")
    assert found.departure.relay.endswith("]:25")
    assert found.departure.reply.startswith("250 2.0.0 Ok: queued as ")


@pytest.mark.parametrize("name", ALL)
def test_it_has_not_left_before_the_next_host_has_answered(name: str) -> None:
    lines = log(name)
    (last,) = [number for number, line in enumerate(lines) if line.program == "postfix/relay/smtp"]
    for end in range(last):
        assert trace(lines[:end], PROBE, 10025).departure is None
    assert trace(lines[: last + 1], PROBE, 10025).departure is not None


@pytest.mark.parametrize("name", ALL)
def test_it_has_not_left_before_the_scan_service_is_known_to_have_had_it(name: str) -> None:
    """Amavis answers after Postfix behind it may have handed the message on (seen under load)."""
    lines = log(name)
    late = [line for line in lines if line.program == "postfix/scan/smtp"]
    early = [line for line in lines if line not in late]
    assert trace(early, PROBE, 10025).departure is None
    found = trace([*early, *late], PROBE, 10025)
    assert found.departure is not None
    assert found.scanned


def test_another_message_is_none_of_it() -> None:
    found = trace(log("edge-3.7"), "<other@example.test>", 10025)
    assert (found.hops, found.departure, found.last) == ((), None, "the log has no line of it")


def test_a_message_that_the_scan_service_keeps_has_not_left() -> None:
    found = trace(
        [NAMED, Line("postfix/scan/smtp", f"{SCAN}status=sent (250 2.7.0 Ok, discarded)")],
        PROBE,
        10025,
    )
    assert found.scanned
    assert found.departure is None
    assert found.last == "A1: 127.0.0.1[127.0.0.1]:10025: sent (250 2.7.0 Ok, discarded)"


def test_a_message_around_the_scan_service_is_seen() -> None:
    sent = SCAN.replace("127.0.0.1[127.0.0.1]:10025", "m[192.0.2.3]:25")
    found = trace([NAMED, Line("postfix/smtp", f"{sent}status=sent (250 Ok)")], PROBE, 10025)
    assert found.departure is not None
    assert not found.scanned


def test_the_last_attempt_counts() -> None:
    lines = [NAMED, Line("postfix/scan/smtp", f"{SCAN}status=deferred (451 later)")]
    assert trace(lines, PROBE, 10025).failure is None
    assert not trace(lines, PROBE, 10025).scanned
    lines.append(Line("postfix/scan/smtp", f"{SCAN}status=bounced (550 no)"))
    failure = trace(lines, PROBE, 10025).failure
    assert failure is not None
    assert failure.reply == "550 no"
