"""The filter or Postfix fails, in the middle of a move or in daily work."""

from __future__ import annotations

import re

import pytest
from lab_hosts import Client
from moves import DIRECT, DRAINING, EDGE, OTHER, STEERED, Ended, Fleet, Gateway
from smtp import Session
from traffic import Traffic


@pytest.mark.parametrize("whom", ["main", "all"])
def test_a_killed_filter_is_back_at_once_and_nobody_is_refused(
    fleet: Fleet, traffic: Traffic, whom: str
) -> None:
    fleet.bring(EDGE)
    traffic.start_over()
    fleet.each(lambda one: one.see_end(("kill_filter", whom)))
    traffic.wait_for_more()
    traffic.prove_open(seconds=3)


KILLS = {
    "the whole filter": ("kill_filter", "all"),
    "Postfix": ("kill_postfix",),
}


@pytest.mark.parametrize("who", KILLS)
@pytest.mark.parametrize("topology", [EDGE, DIRECT])
def test_a_program_is_killed_while_sessions_are_waited_for(
    fleet: Fleet, traffic: Traffic, client: Client, topology: str, who: str
) -> None:
    fleet.bring(OTHER[topology])
    traffic.start_over()
    module = fleet.move(topology, drain_seconds=10, watch_seconds=2)

    def kill(gateway: Gateway) -> Ended:
        with Session(client, gateway.host.address):
            return gateway.see_end(KILLS[who], DRAINING)

    ended = fleet.each(kill)
    if who == "Postfix":
        traffic.interrupted()
    for name, output in module.output_of_each().items():
        if ended[name].topology == topology:
            assert output.startswith("CHANGED"), output
            continue
        # On a busy machine the filter is killed while it starts, or while clients are led to it.
        steps = "wait for|let the filter listen|see the filter live|steer new connections"
        assert re.search(f"step '({steps})", output), output
        what = "Postfix's master has died" if who == "Postfix" else "sender.filter"
        assert re.search(what, output), output
        assert f"The host is as it was before ({OTHER[topology]}), proven" in output
    traffic.wait_for_more()
    if who != "Postfix":
        traffic.prove_open(seconds=3)


# Says that it is ready, takes every connection, and never says a word.
MUTE = """\
import os, socket
def keep(listener):
    while True: kept.append(listener.accept())
import threading
kept = []
for number in range(int(os.environ["LISTEN_FDS"])):
    threading.Thread(target=keep, args=(socket.socket(fileno=3 + number),)).start()
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
"""
STEPS = (
    "(let the filter listen beside Postfix|steer new connections to the filter|see the filter live)"
)
BROKEN_FILTERS = {
    "cannot start": "ExecStartPre=/bin/false",
    "dies after 3 s": 'ExecStartPost=/bin/sh -c "(sleep 3; kill -9 $MAINPID) &"',
    "is mute": "ExecStart=\nExecStart=/usr/bin/python3 /run/mute.py",
    "is frozen": 'ExecStartPost=/bin/sh -c "kill -STOP -$MAINPID"',
}


@pytest.mark.parametrize("how", BROKEN_FILTERS)
def test_a_broken_filter_gets_no_mail(fleet: Fleet, traffic: Traffic, how: str) -> None:
    fleet.bring(DIRECT)
    fleet.each(lambda one: one.host.write("/run/mute.py", MUTE.encode()))
    traffic.start_over()
    with fleet.unit_setting(f"[Service]\n{BROKEN_FILTERS[how]}"):
        outputs = fleet.move(EDGE).output_of_each()
    for output in outputs.values():
        assert re.search(f"step '{STEPS}' failed", output), output
        assert "The host is as it was before (direct), proven" in output, output
    assert {one.topology for one in fleet.ends().values()} == {DIRECT}
    traffic.prove_unnoticed()


def test_a_reload_that_is_refused_is_said_and_taken_back(fleet: Fleet, traffic: Traffic) -> None:
    fleet.bring(DIRECT)
    script = "$(postconf -h daemon_directory)/postfix-script"
    text = '#!/bin/sh\\n[ "$1" != reload ] || { echo no reload today >&2; exit 1; }\\n'
    refuse = (
        f"cp -a {script} /root/real-script; "
        f"printf '{text}exec /root/real-script \"$@\"\\n' >/root/refusing-script; "
        f"chmod +x /root/refusing-script; mount --bind /root/refusing-script {script}"
    )
    with fleet.broken(refuse, f"umount {script}"):
        outputs = fleet.move(EDGE).output_of_each()
        fleet.ends()
    for output in outputs.values():
        assert "step 'add Postfix's new service' failed: postfix reload failed" in output, output
        assert "no reload today" in output, output
    assert {one.topology for one in fleet.ends().values()} == {DIRECT}
    traffic.prove_unnoticed()


def test_a_main_cf_that_is_broken_meanwhile_is_put_back(
    fleet: Fleet, traffic: Traffic, client: Client
) -> None:
    fleet.bring(DIRECT)
    module = fleet.move(EDGE, watch_seconds=1)
    damage = ("shell", "echo 'default_process_limit = none' >>/etc/postfix/main.cf")

    def spoil(gateway: Gateway) -> Ended:
        with Session(client, gateway.host.address) as session:
            gateway.wait_for(STEERED, damage)
            session.quit()
            return gateway.see_end()

    fleet.each(spoil)
    for output in module.output_of_each().values():
        assert "default_process_limit = none" in output, output
        assert "The host is as it was before (direct), proven" in output, output
    for one in fleet.gateways:
        assert b"default_process_limit" not in one.host.read("/etc/postfix/main.cf")
    traffic.wait_for_more()
