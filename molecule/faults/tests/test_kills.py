"""The module is ended in the middle of a move: the host is soon as it was, or as declared."""

from __future__ import annotations

import pytest
from lab_hosts import Client
from moves import BOTH_LISTEN, DIRECT, DRAINING, EDGE, OTHER, Ended, Fleet, Gateway, Moment
from smtp import Session
from traffic import Traffic

REWRITTEN = Moment("master.cf has one service more", {"rewritten": True})
MOMENTS = {
    EDGE: [
        REWRITTEN,
        Moment("Postfix listens behind", {"listeners": {2500: 1}}),
        Moment("the filter listens", BOTH_LISTEN),
        Moment("the filter is watched", {**BOTH_LISTEN, "then": 2.0}),
        Moment("master.cf is the new one", BOTH_LISTEN, {"master_cf": EDGE}),
        Moment("Postfix has let go", BOTH_LISTEN, {"listeners": {25: 2}}),
    ],
    DIRECT: [
        REWRITTEN,
        Moment("Postfix listens beside", BOTH_LISTEN),
        Moment("the filter has let go", BOTH_LISTEN, {"listeners": {25: 2}}),
        Moment("master.cf is the old one", BOTH_LISTEN, {"master_cf": DIRECT}),
        Moment("nobody listens behind", BOTH_LISTEN, {"listeners": {2500: 0}}),
    ],
}
CASES = [(topology, moment) for topology, each in MOMENTS.items() for moment in each]


@pytest.mark.parametrize(("topology", "moment"), CASES, ids=str)
def test_the_module_is_killed_and_nobody_notices(
    fleet: Fleet, traffic: Traffic, topology: str, moment: Moment
) -> None:
    fleet.bring(OTHER[topology])
    module = fleet.move(topology, watch_seconds=2)
    fleet.each(lambda one: one.see_end(("kill_module", "SIGKILL"), moment))
    module.output()
    traffic.prove_unnoticed()


ENDINGS = {
    "SIGKILL": ("kill_module", "SIGKILL"),
    "SIGTERM": ("kill_module", "SIGTERM"),
    "connection lost": ("kill_connection",),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("topology", [EDGE, DIRECT])
def test_a_session_outlives_the_end_of_the_module(
    fleet: Fleet, traffic: Traffic, client: Client, topology: str, ending: str
) -> None:
    fleet.bring(OTHER[topology])
    module = fleet.move(topology, watch_seconds=2)

    def end(gateway: Gateway) -> Ended:
        with Session(client, gateway.host.address) as session:
            gateway.wait_for(DRAINING, ENDINGS[ending])
            assert session.say("NOOP").startswith("250")
            session.quit()
            return gateway.see_end()

    ended = fleet.each(end)
    module.output()
    goal = topology if ending == "connection lost" else OTHER[topology]
    assert {one.topology for one in ended.values()} == {goal}
    traffic.prove_unnoticed()
