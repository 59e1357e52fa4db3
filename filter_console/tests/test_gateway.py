"""The console's ways to its gateway: the control sockets, the topology, and the records."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from sender_filter.io.messages import Done, Failure, Request
from sender_filter.io.messages.records import GatewayStatus
from sender_filter.io.messages.status import Status
from sender_filter_console.gateway import health, topology
from sender_filter_console.gateway.follower import FLEET, OWN, Follower
from sender_filter_console.gateway.link import AHEAD, Link
from sender_filter_console.index.index import Index
from sender_filter_console.interface import RefusedError, UnavailableError

SHOWN = {
    "host": "gw1.example.test", "time": "2026-11-27T15:17:05+00:00", "declared": "direct",
    "seen": "edge", "error": "", "conflicts": [], "table": ["a table"],
    "ports": [
        {"port": 25, "expected": "postfix", "owner": "sender filter", "family": "ipv4",
         "address": "0.0.0.0", "process": "senderfilter", "pid": 778,
         "unit": "sender-filter.service"},
        {"port": 2500, "expected": "nobody", "owner": "nobody", "family": "", "address": "",
         "process": "", "pid": None, "unit": ""},
    ],
    "differences": ["port 25 belongs to sender filter"],
    "risks": [
        {"id": "open", "level": "error", "place": "main.cf:3", "text": "open", "cure": "close"},
    ],
    "cures": [
        "mail-topology heal",
        "ansible-playbook playbooks/repair_port_conflict.yml --limit gw1",
    ],
}  # fmt: skip
"""What `mail-topology show --json` says of a gateway that is not as declared."""


async def running(proxy, backend):
    await backend.start()
    proxy.configure(backend.port)
    return await proxy.start()


async def saying(path, text):
    async def answer(_reader, writer):
        writer.write(text)
        writer.close()

    return await asyncio.start_unix_server(answer, path)


async def test_the_first_filter_that_answers_is_asked(proxy, backend, tmp_path):
    await running(proxy, backend)
    await saying(tmp_path / "hangs-up", b"")
    sockets = [tmp_path / "nobody", tmp_path / "hangs-up", proxy.directory / "control"]
    answer = await Link([str(path) for path in sockets]).ask(Request("status"), Status)
    assert answer.front == "edge"


@pytest.mark.parametrize(
    "said", [b"", b"nonsense\n", b'{"answer":"of another release"}\n', b"half"]
)
async def test_no_answer_of_use_is_said(tmp_path, said):
    await saying(tmp_path / "socket", said)
    with pytest.raises(UnavailableError, match="filter"):
        await Link([str(tmp_path / "socket")]).ask(Request("status"), Status)


async def test_many_orders_are_answered_one_by_one(proxy, backend):
    await running(proxy, backend)
    link = Link([str(proxy.directory / "control")])
    orders = [Request("block", f"192.0.2.{n % 256}") for n in range(3 * AHEAD)]
    orders[7] = Request("block", "no network")
    answers = await link.ask_all(orders)
    assert len(answers) == len(orders)
    assert [n for n, each in enumerate(answers) if isinstance(each, Failure)] == [7]
    assert answers[8] == Done("192.0.2.8 is blocked")
    with pytest.raises(RefusedError, match="not an IP address"):
        await link.ask(Request("block", "no network"), Done)


async def test_the_topology_comes_with_the_cure_for_the_control_node(tmp_path):
    await saying(tmp_path / "show", json.dumps(SHOWN).encode() + b"\n")
    found = await topology.ask(str(tmp_path / "show"))
    assert (found.gateway, found.declared, found.seen) == ("gw1.example.test", "direct", "edge")
    assert found.ports[0].process == "senderfilter (778)"
    assert found.ports[1].owner == "nobody"
    assert found.cure == SHOWN["cures"][1]
    assert found.risks == ["error: main.cf:3: open. Cure: close"]


@pytest.mark.parametrize(
    "said", [b"", b"{}\n", json.dumps(SHOWN | {"error": "there is no master.cf"}).encode() + b"\n"]
)
async def test_a_gateway_that_cannot_be_looked_at_is_said(tmp_path, said):
    await saying(tmp_path / "show", said)
    with pytest.raises(UnavailableError):
        await topology.ask(str(tmp_path / "show"))
    with pytest.raises(UnavailableError):
        await topology.ask(str(tmp_path / "nobody"))
    with pytest.raises(UnavailableError, match=r"filter\.topology"):
        await topology.ask("")


@pytest.mark.parametrize(("age", "well"), [(20, True), (61, False)])
async def test_another_gateway_is_well_while_it_says_so(proxy, backend, age, well):
    await running(proxy, backend)
    status = await Link([str(proxy.directory / "control")]).ask(Request("status"), Status)
    now = datetime.now(UTC)
    then = (now - timedelta(seconds=age)).isoformat()
    found = health.elsewhere(GatewayStatus("gw2", then, status), None, now)
    assert (found.name, found.here, found.version) == ("gw2", False, status.version)
    first, *others = found.health
    assert (first.name, first.good) == ("filter", well)
    assert (then in first.detail) != well
    assert [each.name for each in others][:2] == ["postfix", "state"]


async def test_what_one_source_has_given_the_other_one_does_not_give_again(tmp_path):
    index = Index(tmp_path / "index.sqlite", days=1, most=1000)
    try:
        follower = Follower(Link([]), index)
        assert await follower._beginning(OWN) == "start"
        await index.add([], OWN, "2026-11-27:0")
        assert await follower._beginning(FLEET) == "now"
        assert await index.cursor(OWN) == "2026-11-27:0"
    finally:
        index.close()
