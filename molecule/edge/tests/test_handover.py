"""The port changes hands while a session runs: the session goes on and delivers."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from lab_hosts import Client, LabHost, MailStore, eventually, play, start_play
from smtp import Session, message, unique

ENABLE, DISABLE = "enable_sender_filter.yml", "disable_sender_filter.yml"


@pytest.fixture
def gateway(one_gateway: LabHost) -> LabHost:
    return one_gateway


@pytest.fixture(scope="module", autouse=True)
def edge_again() -> Iterator[None]:
    yield
    assert play(ENABLE).returncode == 0


@pytest.mark.parametrize("playbook", [DISABLE, ENABLE])
def test_a_session_that_runs_during_the_move_delivers_its_message(
    gateway: LabHost, client: Client, mailstore: MailStore, playbook: str
) -> None:
    family = 4 if playbook == ENABLE else 6
    other = ENABLE if playbook == DISABLE else DISABLE
    assert play(other, "--limit", gateway.name).returncode == 0
    subject = f"handover-{unique()}"
    output: list[str] = []
    with Session(client, gateway.address_in(family)) as session:
        session.hello()
        mover = threading.Thread(
            target=lambda: output.append(play(playbook, "--limit", gateway.name).stdout)
        )
        mover.start()
        eventually(lambda: both_listen(gateway), "both listen on port 25", 60)
        mover.join(timeout=5)
        assert mover.is_alive(), f"the move did not wait for the session: {output}"
        session.deliver(message(subject))
    mover.join(timeout=60)
    assert (
        "(overlap), 0 ms without a listener, 0 connections refused, 1 sessions running and 0 cut"
        in output[0]
    )
    assert len(mailstore.wait_for_stored(f"Subject: {subject}")) == 1


def test_sessions_that_stay_beyond_the_limit_take_the_move_back(
    gateway: LabHost, client: Client
) -> None:
    assert play(DISABLE, "--limit", gateway.name).returncode == 0
    before = gateway.read("/etc/postfix/master.cf")
    with Session(client, gateway.address) as session:
        limits = '{"mail_topology_drain_seconds": 2, "mail_topology_drain_action": "rollback"}'
        result = play(ENABLE, "--limit", gateway.name, "--extra-vars", limits)
        assert result.returncode != 0
        assert "1 sessions still ran" in result.stdout
        assert "The host is as it was before (direct), proven" in result.stdout
        assert session.say("NOOP").startswith("250")
    assert gateway.read("/etc/postfix/master.cf") == before
    assert {frozenset(one.processes) - {"smtpd"} for one in gateway.listeners(25)} == {
        frozenset({"master"})
    }


def test_the_plain_order_is_taken_where_asked_for_and_says_what_it_cost(
    gateway: LabHost, client: Client
) -> None:
    assert play(DISABLE, "--limit", gateway.name).returncode == 0
    with Session(client, gateway.address):
        plain = ("--limit", gateway.name, "--extra-vars", "mail_topology_handover=plain")
        result = play(ENABLE, *plain)
        assert result.returncode == 0, result.stdout
        assert "(plain)" in result.stdout
        assert "1 sessions running and 1 cut" in result.stdout
    assert all("senderfilter" in one.processes for one in gateway.listeners(25))
    result = play(DISABLE, *plain)
    assert result.returncode == 0, result.stdout


def both_listen(gateway: LabHost) -> bool:
    found = set().union(*(one.processes for one in gateway.listeners(25)))
    return {"senderfilter", "master"} <= found


def filter_listens(gateway: LabHost) -> bool:
    return any("senderfilter" in one.processes for one in gateway.listeners(25))


@contextmanager
def moving_to_edge(
    gateway: LabHost, client: Client
) -> Iterator[tuple[subprocess.Popen[str], Session]]:
    """A move to `edge` that waits for the end of a session."""
    assert play(DISABLE, "--limit", gateway.name).returncode == 0
    with Session(client, gateway.address) as session:
        process = start_play(ENABLE, "--limit", gateway.name)
        eventually(lambda: filter_listens(gateway), "the filter listens beside Postfix")
        yield process, session
    process.kill()
    process.wait()


def test_a_move_goes_on_to_its_end_when_the_control_node_is_gone(
    gateway: LabHost, client: Client
) -> None:
    with moving_to_edge(gateway, client) as (process, session):
        process.kill()
        process.wait()
        assert session.say("NOOP").startswith("250")
        session.quit()
    verified = ("verify_topology.yml", "--limit", gateway.name)
    eventually(lambda: play(*verified).returncode == 0, "the host is in topology edge")
    assert b"\n127.0.0.1:2500 inet" in gateway.read("/etc/postfix/master.cf")
