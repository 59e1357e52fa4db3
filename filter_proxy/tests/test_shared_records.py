"""The records of all gateways on their server: in order, and never in the way."""

import asyncio
import json
import socket
import time

import pytest
from harness import Backend
from test_records import NOON, decision

from sender_filter.core.records import timestamp
from sender_filter.state import shared_records
from sender_filter.state.shared_records import RecordStream


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(shared_records, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(shared_records, "PAUSE_SECONDS", 0.05)


async def all_of(stream, cursor="start", limit=100):
    found = []
    while True:
        page = await stream.read(cursor, limit)
        found += page.records
        cursor = page.cursor
        if not page.more:
            return found, cursor


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)


def numbered(count):
    return [decision(NOON, f"192.0.2.{n}") for n in range(count)]


async def test_each_gateway_sees_what_all_have_written(server):
    one, two = RecordStream(server.url, "mx1"), RecordStream(server.url, "mx2")
    for record in numbered(3):
        one.put(record)
    await one.close()
    _, cursor = await all_of(two)
    two.put(decision(NOON))
    await two.close()
    three = RecordStream(server.url, "mx3")
    found, _ = await all_of(three, limit=1)
    assert [each.gateway for each in found] == ["mx1"] * 3 + ["mx2"]
    assert [each.record for each in found[:3]] == numbered(3)
    assert [each.gateway for each in (await all_of(three, cursor))[0]] == ["mx2"]
    assert (await all_of(three, "now"))[0] == []
    await three.close()


async def test_the_stream_is_cut(server, monkeypatch):
    monkeypatch.setattr(shared_records, "STREAM_LENGTH", 100)
    stream = RecordStream(server.url, "mx1")
    for record in numbered(256) * 4:
        stream.put(record)
    await until(lambda: stream._task is None)
    found, _ = await all_of(stream)
    assert 100 <= len(found) < 300
    assert found[-1].record == decision(NOON, "192.0.2.255")
    await stream.close()


async def test_a_server_that_is_away_costs_records_and_they_are_counted(server, monkeypatch):
    monkeypatch.setattr(shared_records, "MOST_WAITING", 20)
    server.stop()
    stream = RecordStream(server.url, "mx1")
    for record in numbered(30):
        stream.put(record)
    await until(lambda: stream.problem is not None)
    first = stream.lost
    assert first >= 10
    for record in numbered(20):
        stream.put(record)
    server.start()
    await until(lambda: stream.problem is None and stream._task is None)
    found, _ = await all_of(stream)
    assert len(found) + stream.lost == 50
    assert len(found) == 20
    await stream.close()


async def test_what_is_no_record_is_counted_and_passed_over(server):
    stream = RecordStream(server.url, "mx1")
    for words in (["a", "b"], ["gateway", "mx1", "record", "{"], ["record", "{}"]):
        await stream._client.execute_command("XADD", "sender-filter:decisions", "*", *words)
    assert await stream.read("start", 10) == ([], (await stream.read("now", 1)).cursor, False, 3)
    with pytest.raises(ValueError, match="cannot be read"):
        await stream.read("nonsense", 10)
    await stream.close()


async def test_a_filter_shares_what_it_decides(proxy, server):
    backend = await Backend().start()
    proxy.write_lists(blocked="127.0.0.1\n")
    proxy.configure(backend.port, more=f'url = "{server.url}"\nshare_records = true\n')
    await proxy.start()
    reader, _ = await proxy.connect()
    await reader.read()
    await proxy.written(1)
    stream = RecordStream(server.url, "somewhere")
    await until_found(stream, 1)
    control, writer = await asyncio.open_unix_connection(proxy.directory / "control")
    writer.write(b'{"command":"records","fleet":true,"cursor":"start"}\n')
    [seen] = json.loads(await control.readline())["records"]
    assert seen["gateway"] == socket.gethostname()
    assert seen["record"]["action"] == "permanent"
    writer.write(b'{"command":"gateways"}\n')
    [said] = json.loads(await control.readline())["gateways"]
    assert (said["gateway"], said["status"]["front"]) == (socket.gethostname(), "edge")
    store = (await proxy.status())["store"]
    assert (store["kind"], store["records_shared"], store["records_lost"]) == ("redis", True, 0)
    writer.close()
    await stream.close()


async def until_found(stream, count):
    while len((await all_of(stream))[0]) < count:
        await asyncio.sleep(0.02)


def test_records_are_shared_only_where_there_is_a_server(proxy):
    proxy.configure(1, more="share_records = true\n")
    said = proxy.run("check-config", check=False)
    assert "state.share_records: needs a server" in said.stderr


def test_an_address_that_cannot_be_read_is_refused_before_a_start(proxy):
    proxy.configure(1, more='url = "redis://:s3c/ret@127.0.0.1:6379/0"\nshare_records = true\n')
    for command in ("check-config", "serve"):
        said = proxy.run(command, "--config", str(proxy.config), check=False)
        assert said.returncode == 1
        assert "state.url: cannot be read" in said.stderr
        assert "s3c" not in said.stdout + said.stderr


async def announce(server, name, status):
    stream = RecordStream(server.url, name)
    await stream.announce(status)
    await stream.close()


async def test_each_gateway_says_how_it_does_and_one_that_is_gone_is_forgotten(server, proxy):
    proxy.configure(1, more=f'url = "{server.url}"\nshare_records = true\n')
    await proxy.start()
    status = await proxy.status()
    for name, when in (("mx2", time.time() - 3600), ("mx3", time.time() - 2 * 86_400)):
        said = {"gateway": name, "time": timestamp(when), "status": status}
        await announce(server, name, json.dumps(said).encode())
    await announce(server, "mx4", b"{}")
    found = (await proxy.ask("fleet"))["gateways"]
    assert [each["gateway"] for each in found] == sorted([socket.gethostname(), "mx2"])
    shown = proxy.run("fleet").stdout.splitlines()
    assert any(line.startswith("mx2 ") for line in shown)


async def test_what_gateways_say_cannot_be_read_without_their_server(proxy, server):
    proxy.configure(1, more=f'url = "{server.url}"\nshare_records = true\n')
    await proxy.start()
    server.stop()
    assert "cannot be read" in proxy.run("fleet", check=False).stderr
