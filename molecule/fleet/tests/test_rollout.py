"""A fleet of six is moved; it stops at the first doubt, and whoever is doubtful goes back."""

from __future__ import annotations

import shlex
from pathlib import Path

from lab_hosts import Client, LabHost, MailStore
from rollouts import Rollouts, topologies
from services import greeting_of

# With SO_REUSEADDR too, for smtpd's running sessions are another user's.
STRANGER = (
    "import socket, time; s = socket.socket(); "
    "[s.setsockopt(socket.SOL_SOCKET, o, 1) for o in (socket.SO_REUSEADDR, socket.SO_REUSEPORT)]; "
    "s.bind(('0.0.0.0', 25)); s.listen(); time.sleep(900)"
)
BEGIN = ["systemd-run", "--quiet", "--unit=stranger", "python3", "-c", STRANGER]
OWN = ["127.0.0.1", "::1"]
# Connects more often than the gate needs to believe what it sees.
KNOCK = """
import socket, sys
for _ in range(25):
    with socket.create_connection((sys.argv[1], 25), 20, (sys.argv[2], 0)) as connection:
        assert connection.recv(512).startswith(b"554 ")
"""


def stranger_on(host: LabHost, folder: Path) -> list[str]:
    """A drain hook that lets a strange program join port 25 of one host, behind the preflight."""
    start = ["podman", "exec", host.host.backend.name, *BEGIN]
    script = folder / "hook"
    script.write_text(f"[ $1 != {host.name} ] || {shlex.join(start)}\n")
    return ["sh", str(script), "{{ inventory_hostname }}"]


def test_a_stranger_in_the_second_batch_stops_it_and_the_canary_stays(
    rollouts: Rollouts, gateways: list[LabHost], tmp_path: Path
) -> None:
    hook = stranger_on(gateways[2], tmp_path)
    run = rollouts.start(1, 2, 3, mail_topology="edge", rollout_before_host=hook)
    try:
        # Only then it can be proven that all is as it was.
        run.reach("All of the batch are moved, or none is waited for", times=2)
    finally:
        gateways[2].run("systemctl stop stranger")
    output = run.must_fail()
    assert topologies(gateways) == "eddddd", output
    assert "The rollout was stopped: gw3: " in output
    report = rollouts.report()
    assert report.states == {"gw1": "done", "gw2": "back", "gw3": "back"}
    assert "port 25 belongs to python3" in report.run["reason"]
    assert report.run["ended"]
    for text in ("Stopped. gw3: ", "port 25 belongs to python3", "stranger.service"):
        assert text in report.page
    assert report.run["rows"]["gw2"]["move"]["seen"] == "edge"
    assert report.run["rows"]["gw2"]["to"] == "direct"
    assert report.run["rows"]["gw2"]["probe_back"]["hops"][-1].startswith("mailstore[")


def test_a_killed_rollout_is_taken_up_and_a_second_one_is_kept_away(
    rollouts: Rollouts, gateways: list[LabHost], mailstore: MailStore, tmp_path: Path
) -> None:
    killed = rollouts.start(1, 5, mail_topology="edge")
    killed.reach("Move one batch after the other", times=2)
    held = rollouts.start(1, 5, mail_topology="edge").must_fail()
    assert "another rollout runs since" in held
    killed.kill_at("Gateway is in topology edge")
    before = rollouts.report()
    # From another control node, which cannot know that the first one is dead.
    held = Rollouts(tmp_path).start(1, limit="gw6", mail_topology="edge").must_fail()
    assert f"gw6: another control node rolls out over this gateway: {before.run['who']}" in held
    assert before.states == {"gw1": "done"} | {f"gw{n}": "touched" for n in range(2, 7)}
    assert "Not at its end: 5 gateways are still to be moved." in before.page
    assert not before.run["ended"]

    rollouts.start(1, 5, limit="gw2", mail_topology="edge").must_pass()
    part = rollouts.report()
    assert part.states["gw2"] == "done"
    assert (part.run["name"], part.run["ended"]) == (before.run["name"], "")

    output = rollouts.start(1, 5, mail_topology="edge").must_pass()
    after = rollouts.report()
    assert "taken up again" in output
    assert after.run["name"] == before.run["name"]
    assert topologies(gateways) == "eeeeee"
    assert set(after.states.values()) == {"done"}
    assert after.run["rows"]["gw1"] == before.run["rows"]["gw1"]
    for host in gateways:
        row = after.run["rows"][host.name]
        assert row["from"] == ("edge" if host.name == "gw1" else "direct")
        assert any(hop.startswith("sender filter: pass") for hop in row["probe"]["hops"])
        assert row["probe"]["hops"][-1].startswith("mailstore[")
        assert len(mailstore.stored(row["probe"]["message_id"])) == 1


def test_the_fleet_goes_back_if_that_is_asked_for(
    rollouts: Rollouts, gateways: list[LabHost]
) -> None:
    gateways[3].run(shlex.join(BEGIN))
    try:
        run = rollouts.start(1, 5, mail_topology="direct", rollout_back="fleet")
        output = run.must_fail()
    finally:
        gateways[3].run("systemctl stop stranger")
    assert topologies(gateways) == "eeeeee", output
    report = rollouts.report()
    assert report.states["gw1"] == "back"
    assert report.run["rows"]["gw1"]["move"]["seen"] == "direct"
    assert report.states["gw2"] == "ready"
    assert report.states["gw4"] == "untouched"


def test_a_filter_that_refuses_everybody_is_caught_by_the_probe(
    rollouts: Rollouts, gateways: list[LabHost], client: Client
) -> None:
    blocked = {"sender_filter_blocked": ["0.0.0.0/0", "::/0"], "sender_filter_approved": OWN}
    rollouts.start(1, 5, **blocked).must_fail()
    report = rollouts.report()
    assert "the probe message was refused after connect: 554 5.7.1" in report.run["reason"]
    assert report.states == {"gw1": "back"}
    assert topologies(gateways) == "eeeeee"
    assert greeting_of(client, gateways[0], 1).startswith("220 ")


def test_a_filter_that_refuses_the_clients_is_caught_by_the_gate(
    rollouts: Rollouts, gateways: list[LabHost], client: Client
) -> None:
    clients = f"{client.source(1)}-{client.source(8)}"
    run = rollouts.start(
        1, 5, sender_filter_blocked=[clients], rollout_soak_seconds=12, rollout_look_seconds=4
    )
    run.reach("Some time passes")
    client.python(KNOCK, gateways[0].address, client.source(1))
    output = run.must_fail()
    report = rollouts.report()
    assert "were refused, 0% before, allowed is 30%" in report.run["reason"], output
    assert report.states == {"gw1": "back"}
    assert greeting_of(client, gateways[0], 1).startswith("220 ")


def test_a_gateway_that_is_lost_while_it_is_watched_stops_the_rollout(
    rollouts: Rollouts, gateways: list[LabHost]
) -> None:
    watched = {"limit": "gw1:gw2", "rollout_soak_seconds": 8, "rollout_look_seconds": 4}
    run = rollouts.start(2, mail_topology="direct", **watched)
    run.reach("Some time passes")
    gateways[1].run("systemctl stop ssh.socket ssh.service; pkill sshd; true")
    try:
        output = run.must_fail()
    finally:
        gateways[1].run("systemctl start ssh.service")
    report = rollouts.report()
    assert report.states == {"gw1": "back", "gw2": "failed"}, output
    assert report.run["ended"]
    assert "Stopped. gw2: unreachable: " in report.page
    assert "needs help" in report.page
    assert topologies(gateways) == "edeeee"
    assert report.run["rows"]["gw1"]["probe_back"]["hops"][-1].startswith("mailstore[")

    rollouts.start(2, limit="gw1:gw2", mail_topology="edge").must_pass()
    assert topologies(gateways) == "eeeeee"
