"""Loss of power between two steps: the host boots into the topology before, or the declared one."""

from __future__ import annotations

import pytest
from lab_hosts import Client
from moves import DIRECT, DRAINING, EDGE, OTHER, Ended, Fleet, Gateway, Moment
from power import lose_power
from smtp import Session
from traffic import Traffic

REWRITTEN = Moment("master.cf has one service more", {"rewritten": True})


@pytest.mark.parametrize("moment", [REWRITTEN, DRAINING], ids=str)
@pytest.mark.parametrize("topology", [EDGE, DIRECT])
def test_the_host_boots_into_the_topology_before(
    fleet: Fleet, traffic: Traffic, client: Client, topology: str, moment: Moment
) -> None:
    fleet.bring(OTHER[topology])
    module = fleet.move(topology, watch_seconds=2)

    def lose(gateway: Gateway) -> Ended:
        with Session(client, gateway.host.address):  # the move waits for it
            gateway.wait_for(moment)
            lose_power(gateway.host, client)
            return gateway.see_end()

    ended = fleet.each(lose)
    module.kill()
    traffic.interrupted()
    assert {one.topology for one in ended.values()} == {OTHER[topology]}
    traffic.wait_for_more()
