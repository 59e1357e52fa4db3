from __future__ import annotations

import pytest
from lines import ALL, log

from module_utils.health.mail_log import Delivery, Line, Traffic, delivery, traffic


@pytest.mark.parametrize("name", ALL)
def test_one_message_is_counted_once_in_each_topology(name: str) -> None:
    assert traffic(log(name)) == Traffic(accepted=1, refused=0, sent=1, deferred=0, bounced=0)


def test_the_host_s_own_probes_are_no_mail_of_others() -> None:
    assert traffic(
        [
            Line("postfix/smtpd", "A1: client=localhost[127.0.0.1]"),
            Line("postfix/smtpd", "A2: client=localhost[::1]"),
            Line(
                "postfix/after-filter/smtpd",
                "A3: client=localhost[127.0.0.1], orig_client=localhost[127.0.0.1]",
            ),
        ]
    ) == Traffic(0, 0, 0, 0, 0)


def test_refusals_deferrals_and_bounces_are_counted() -> None:
    reject = "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <a@b>: Relay access denied"
    relay = "delay=1, delays=0/0/1/0, dsn=4.4.1"
    lines = [
        Line("postfix/smtpd", reject),
        Line("postfix/postscreen", reject),
        Line("postfix/qmgr", reject),
        Line(
            "postfix/relay/smtp",
            f"A1: to=<a@b>, relay=none, {relay}, status=deferred (connect to m: gone)",
        ),
        Line(
            "postfix/scan/smtp",
            f"A2: to=<a@b>, relay=127.0.0.1[127.0.0.1]:10025, {relay}, status=deferred (451 later)",
        ),
        Line(
            "postfix/relay/smtp",
            f"A3: to=<a@b>, relay=m[192.0.2.3]:25, {relay}, status=bounced (host said: 550 no)",
        ),
    ]
    assert traffic(lines) == Traffic(accepted=0, refused=2, sent=0, deferred=1, bounced=1)


def test_a_delivery_may_have_a_former_recipient_and_a_connection_used_again() -> None:
    text = (
        "4ZaB9x: to=<a@b>, orig_to=<root>, relay=m[2001:db8::3]:25, conn_use=2, delay=0.1, "
        "delays=0/0/0/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok: (done))"
    )
    assert delivery(Line("postfix/smtp", text)) == Delivery(
        "4ZaB9x", "a@b", "m[2001:db8::3]:25", "sent", "250 2.0.0 Ok: (done)"
    )
