"""From each topology to each other one, under mail: nobody notices, and the files come back."""

from __future__ import annotations

import json
import re

import pytest
from lab_hosts import Client, changes
from moves import DIRECT, EDGE, INLINE, MASTER_CF, Ended, Fleet, Gateway, Moment
from smtp import Session
from traffic import Traffic

MOVES = [
    (DIRECT, EDGE), (EDGE, INLINE), (INLINE, EDGE), (EDGE, DIRECT), (DIRECT, INLINE),
    (INLINE, DIRECT),
]  # fmt: skip
MAIN_CF = "/etc/postfix/main.cf"
WAITING = {(DIRECT, INLINE): "began without the filter", (INLINE, DIRECT): "the mail in the filter"}


@pytest.mark.usefixtures("inline_fleet")
@pytest.mark.parametrize(("before", "after"), MOVES)
def test_nobody_notices_a_move_and_the_files_come_back(
    fleet: Fleet, traffic: Traffic, before: str, after: str
) -> None:
    fleet.bring(before)
    main_cf = fleet.each(lambda one: one.host.read(MAIN_CF))
    traffic.start_over()
    for output in fleet.move(after, watch_seconds=1).output_of_each().values():
        assert output.startswith("CHANGED"), output
        assert '"milliseconds_without_listener": 0' in output, output
        assert '"sessions_cut": 0' in output, output
        assert f'"before": "{before}"' in output, output
        assert f'"seen": "{after}"' in output, output
        assert '"differences": []' in output, output
    assert {one.topology for one in fleet.ends(5).values()} == {after}
    assert fleet.each(lambda one: one.host.read(MAIN_CF)) == main_cf
    traffic.prove_unnoticed()
    for output in fleet.move(after).output_of_each().values():
        assert output.startswith("SUCCESS"), output


@pytest.mark.parametrize("playbook", ["inline", "update"])
def test_a_second_run_changes_nothing(inline_fleet: Fleet, playbook: str) -> None:
    inline_fleet.bring(INLINE)
    inline_fleet.play(f"{playbook}_sender_filter.yml").must_pass()
    again = inline_fleet.play(f"{playbook}_sender_filter.yml").must_pass()
    assert changes(again) == {one.name: 0 for one in inline_fleet.gateways}


@pytest.mark.usefixtures("inline_fleet")
@pytest.mark.parametrize(("before", "after"), [one for one in MOVES if INLINE in one])
def test_a_move_that_is_killed_ends_in_one_of_the_two(
    fleet: Fleet, traffic: Traffic, client: Client, before: str, after: str
) -> None:
    fleet.bring(before)
    traffic.start_over()
    module = fleet.move(after, watch_seconds=1, drain_seconds=20)

    def kill(gateway: Gateway) -> Ended:
        with Session(client, gateway.host.address) as session:  # the move waits for it
            session.hello()
            moment = Moment("master.cf has one service more", {"rewritten": True, "then": 1.0})
            ended = gateway.see_end(("kill_module", "SIGKILL"), moment)
            assert session.say("NOOP").startswith("250")
            return ended

    ended = fleet.each(kill)
    module.output()
    assert {one.topology for one in ended.values()} <= {before, after}
    traffic.prove_unnoticed()


@pytest.mark.usefixtures("inline_fleet")
@pytest.mark.parametrize(("before", "after"), [(DIRECT, INLINE), (INLINE, DIRECT)])
def test_a_session_that_runs_is_waited_for(
    fleet: Fleet, client: Client, before: str, after: str
) -> None:
    fleet.bring(before)
    # Each is the first client of its process: where that dies of the cut, master starts no other
    # for a minute, and the move's own proof would fail.
    fleet.run("postfix reload; sleep 1")
    sessions = [Session(client, one.host.address) for one in fleet.gateways]
    module = fleet.move(after, watch_seconds=1, drain_seconds=3)
    for output in module.output_of_each().values():
        assert '"handover": "in place"' in output, output
        # The mail of the tests before runs on: its sessions may count as well, and end in time.
        assert re.search(r'"sessions_running": [1-9]', output), output
        assert '"sessions_cut": 1' in output, output
        assert WAITING[before, after] in output, output
    for session in sessions:
        session.close()


@pytest.mark.usefixtures("inline_fleet")
def test_what_stands_in_the_way_is_named_and_nothing_is_touched(fleet: Fleet) -> None:
    fleet.bring(DIRECT)
    before = fleet.each(lambda one: one.host.read(MASTER_CF))
    serve = "systemd-run --quiet --unit=stranger python3 -m http.server --bind 127.0.0.1 10020"
    with fleet.broken(f"{serve}; sleep 2", "systemctl stop stranger"):
        for output in fleet.move(INLINE).output_of_each().values():
            assert output.startswith("FAILED"), output
            assert "nothing was changed: port 10020 belongs to python3" in output, output
            assert "stop it and keep it from starting again" in output, output
    other = "postconf -e smtpd_proxy_filter=127.0.0.1:10030"
    with fleet.broken(f"{other} && postfix reload", "postconf -X smtpd_proxy_filter"):
        for output in fleet.move(INLINE).output_of_each().values():
            assert "has another filter before its queue already" in output, output
    fleet.run("postfix reload")
    assert fleet.each(lambda one: one.host.read(MASTER_CF)) == before


@pytest.mark.usefixtures("inline_fleet")
def test_mail_that_walks_around_the_filter_is_seen(fleet: Fleet) -> None:
    fleet.bring(INLINE)
    walk = "postconf -P smtp/inet/smtpd_proxy_filter= && postfix reload"
    copy = "cp -a /etc/postfix/master.cf /root/master.cf"
    with fleet.broken(f"{copy} && {walk}", "cp -a /root/master.cf /etc/postfix/ && postfix reload"):
        seen = json.dumps(fleet.play("verify_topology.yml").must_fail())
        assert "mail walks around the filter" in seen
    fleet.play("verify_topology.yml").must_pass()
