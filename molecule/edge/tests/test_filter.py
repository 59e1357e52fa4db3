"""The sender filter as a service: its unit, its stop and start, and Postfix away behind it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from filter_log import decision_on, end_of
from lab_hosts import Client, LabHost, MailStore, eventually
from smtp import Session, dotted, message, unique

UNIT = "sender-filter.service"
RESTART_SECONDS = 10


def shown(gateway: LabHost, name: str) -> str:
    return gateway.run(f"systemctl show --property={name} --value {UNIT}").strip()


def pid_of(gateway: LabHost) -> str:
    return shown(gateway, "MainPID")


def wait_until_running(gateway: LabHost, *, instead_of: str) -> None:
    eventually(
        lambda: shown(gateway, "ActiveState") == "active" and pid_of(gateway) != instead_of,
        f"{gateway.name}: another process of the filter runs",
    )


@contextmanager
def postfix_away(gateway: LabHost) -> Iterator[None]:
    gateway.run("systemctl stop postfix 'postfix@*'")
    try:
        eventually(lambda: not gateway.listeners(2500), f"{gateway.name}: port 2500 is free")
        yield
    finally:
        gateway.run("systemctl start postfix")
        eventually(lambda: gateway.listeners(2500), f"{gateway.name}: Postfix is back")


def test_its_unit_is_sandboxed(gateway: LabHost) -> None:
    verdict = gateway.run(f"systemd-analyze security --no-pager {UNIT}").splitlines()[-1]
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", verdict)
    assert exposure, verdict
    assert float(exposure[1]) <= 2.0


def test_it_does_not_run_as_root(gateway: LabHost) -> None:
    status = gateway.run(f"cat /proc/{pid_of(gateway)}/status")
    for name in ("Uid", "Gid"):
        row = re.search(rf"(?m)^{name}:(.*)$", status)
        assert row
        assert "0" not in row[1].split()
    assert re.search(r"(?m)^CapEff:\s0+$", status)
    assert re.search(r"(?m)^NoNewPrivs:\s1$", status)


def test_systemd_watches_over_it(gateway: LabHost) -> None:
    assert shown(gateway, "Type") == "notify"
    assert shown(gateway, "WatchdogUSec") == "30s"
    assert shown(gateway, "Restart") == "always"
    assert shown(gateway, "TriggeredBy") == "sender-filter.socket"


def test_a_restart_lets_a_running_session_end(
    gateway: LabHost, client: Client, mailstore: MailStore
) -> None:
    subject, source, old = unique(), client.source(1), pid_of(gateway)
    with Session(client, gateway.address, source=source) as session:
        session.hello()
        session.envelope()
        gateway.run(f"systemctl restart {UNIT}")
        wait_until_running(gateway, instead_of=old)
        # Who comes now is served by the new process, while the old one still has its session.
        with Session(client, gateway.address, source=client.source(2)) as late:
            assert late.greeting.startswith("220 ")
        session.content(message(subject))
        session.quit()
    assert end_of(gateway, source, session.port)["ended"] == "upstream_closed"
    mailstore.wait_for_stored(subject)


def test_a_killed_filter_is_back_for_the_next_client(gateway: LabHost, client: Client) -> None:
    old = pid_of(gateway)
    gateway.run(f"kill -KILL {old}")
    killed = time.monotonic()
    with Session(client, gateway.address) as session:
        assert session.greeting.startswith("220 ")
        assert time.monotonic() - killed < RESTART_SECONDS
        session.hello()
    wait_until_running(gateway, instead_of=old)


def test_it_outlives_postfix(gateway: LabHost, client: Client, mailstore: MailStore) -> None:
    source, pid, subject = client.source(1), pid_of(gateway), unique()
    with postfix_away(gateway):
        with Session(client, gateway.address, source=source) as session:
            assert session.greeting.startswith("421 4.3.2 ")
            assert session.reply() == ""
        decision = decision_on(gateway, source, session.port)
        assert (decision["function"], decision["action"]) == ("upstream", "temporary")
        assert decision["reply"] == session.greeting
        assert "127.0.0.1:2500, away" in gateway.run("senderfilter status")
    with Session(client, gateway.address, source=source) as session:
        session.deliver(message(subject))
    assert pid_of(gateway) == pid
    assert "127.0.0.1:2500, reachable" in gateway.run("senderfilter status")
    mailstore.wait_for_stored(subject)


def test_it_never_answers_for_a_message_that_postfix_has_not_taken(
    gateway: LabHost, client: Client, mailstore: MailStore
) -> None:
    subject, source = unique(), client.source(1)
    with Session(client, gateway.address, source=source) as session:
        session.hello()
        session.envelope()
        session.must("354", "DATA")
        text = dotted(message(subject))
        session.send(text[:-5])
        with postfix_away(gateway):
            assert not said_after(session, text[-5:]).startswith("250")
    assert mailstore.stored(subject) == []


def said_after(session: Session, data: bytes) -> str:
    """The reply to some bytes; none where the connection is gone."""
    try:
        session.send(data)
        return session.reply()
    except ConnectionError:
        return ""
