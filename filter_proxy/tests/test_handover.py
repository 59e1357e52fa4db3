"""Connections that Postfix itself gets, and what becomes of those that it does not."""

import asyncio
import re
import signal
import socket
from pathlib import Path

import pytest
from harness import Backend, smtp
from hypothesis import given
from hypothesis import strategies as st
from pass_service import PassService, read_attributes
from rbldnsd import PROGRAM

from sender_filter.core import addresses, pass_attributes

PORTS = st.integers(0, 65535)
LISTEN = "0A"  # in /proc/net/tcp
LISTS_KNOW_LOOPBACK = """
from sender_filter.core.reputation import question
question.has_a_name = lambda address: True
"""


async def itself(reader, writer):
    """What Postfix says where it speaks with the client itself."""
    writer.write(b"220 itself\r\n")
    while line := await reader.readline():
        if line.strip().upper() == b"QUIT":
            writer.write(b"221 bye\r\n")
            return
        writer.write(b"250 " + line)


@pytest.fixture
def service(tmp_path):
    return PassService(tmp_path / "pass", itself)


def configure(proxy, service, backend_port=9, more=""):
    proxy.configure(backend_port)
    handover = f'handover = "pass"\npass_socket = "{service.path}"\n'
    text = proxy.config.read_text()
    proxy.config.write_text(text.replace("[lists]", f"{handover}[lists]") + more)


async def converse(reader, writer, greeting):
    """A whole session."""
    assert await reader.readline() == greeting
    writer.write(b"NOOP\r\n")
    assert await reader.readline() == b"250 NOOP\r\n"
    writer.write(b"QUIT\r\n")
    assert await reader.read() == b"221 bye\r\n"
    writer.close()


@given(st.one_of(st.tuples(*[st.ip_addresses(v=4)] * 2), st.tuples(*[st.ip_addresses(v=6)] * 2)),
       PORTS, PORTS)  # fmt: skip
def test_the_attributes_are_understood_by_an_independent_reader(ends, source_port, target_port):
    source, target = (addresses.parse_literal(str(a)) for a in ends)
    message = pass_attributes.message(source, source_port, target, target_port)
    assert message.startswith(b"\0client_address\0")
    told = read_attributes(message[1:])
    assert told == (str(source), source_port, str(target), target_port)
    assert addresses.parse_literal(told[0]) == source


def test_a_connection_between_two_ip_versions_is_not_handed_over():
    with pytest.raises(ValueError, match="two ends of one connection"):
        pass_attributes.message(addresses.parse("::1"), 1, addresses.parse("127.0.0.1"), 1)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_postfix_gets_the_connection_and_knows_the_client(proxy, service, host):
    service.start()
    configure(proxy, service)
    text = proxy.config.read_text()
    proxy.config.write_text(text.replace("127.0.0.1:0", "[::1]:0" if ":" in host else f"{host}:0"))
    await proxy.start()
    reader, writer = await proxy.connect(host)
    await converse(reader, writer, b"220 itself\r\n")
    name, peer = writer.get_extra_info("sockname")[:2], writer.get_extra_info("peername")[:2]
    assert service.told == [(*name, *peer)]
    decision, session = await proxy.written(2)
    assert (decision["function"], decision["action"]) == ("none", "pass")
    assert [c["function"] for c in decision["checks"]] == ["approved", "blocked", "upstream"]
    assert decision["checks"][-1] | {"micros": 0} == {
        "function": "upstream", "input": str(service.path), "result": "ok", "micros": 0,
    }  # fmt: skip
    assert (session["session"], session["ended"]) == (decision["session"], "handed_over")
    assert (session["from_client"], session["from_upstream"]) == (0, 0)
    status = await proxy.status()
    assert (status["sessions"], status["relayed"], status["handed_over"]) == (0, 0, 1)


async def test_what_a_client_says_too_early_is_postfixs_to_read(proxy, service):
    service.listen()
    configure(proxy, service)
    await proxy.start()
    reader, writer = await proxy.connect()
    writer.write(b"EHLO hasty\r\n")
    await asyncio.sleep(0.2)
    service.start()
    assert await reader.readline() == b"220 itself\r\n"
    assert await reader.readline() == b"250 EHLO hasty\r\n"
    assert service.early == [b"EHLO hasty\r\n"]
    writer.close()


async def test_a_refused_client_never_reaches_postfix(proxy, service):
    service.start()
    configure(proxy, service)
    proxy.write_lists(blocked="127.0.0.1\n")
    await proxy.start()
    reader, writer = await proxy.connect()
    assert (await reader.readline()).startswith(b"554 5.7.1 ")
    writer.close()
    assert not service.told


@pytest.mark.skipif(PROGRAM is None, reason="rbldnsd is not installed")
async def test_a_client_that_is_refused_later_has_its_connection_still(proxy, service, zones):
    service.start()
    asks = f'[reputation]\nservers = ["{zones.address}"]\nzones = [{{name = "ip4.test"}}]\n'
    configure(proxy, service, more=asks)
    await proxy.start(change=LISTS_KNOW_LOOPBACK)
    while (await proxy.status())["zones"][0]["state"] != "trusted":
        await asyncio.sleep(0.05)
    reader, writer = await proxy.connect(local_addr=("127.0.0.2", 0))
    assert (await reader.readline()).startswith(b"550 5.7.1 ")
    writer.write(b"QUIT\r\n")
    assert await reader.readline() == b"221 2.0.0 Bye\r\n"
    writer.close()
    assert not service.told
    reader, writer = await proxy.connect(local_addr=("127.0.0.9", 0))
    await converse(reader, writer, b"220 itself\r\n")


@pytest.mark.parametrize(
    ("more", "client", "greeting"),
    [
        ('[profiler.spam]\nenabled = "shadow"\n', "127.0.0.9", b"220 backend\r\n"),
        ('[throttling]\nmode = "shadow"\n', "127.0.0.9", b"220 backend\r\n"),
        ("[known_hosts]\nenabled = true\n", "127.0.0.9", b"220 backend\r\n"),
        # Of these nobody wants to know anything.
        ('[profiler.spam]\nenabled = "shadow"\n', "127.0.0.7", b"220 itself\r\n"),
        ('[profiler.spam]\nenabled = "shadow"\n', "127.0.0.1", b"220 itself\r\n"),
    ],
)
async def test_who_is_read_along_is_relayed(proxy, service, more, client, greeting):
    service.start()
    backend = await Backend().start()
    configure(proxy, service, backend.port, more)
    proxy.write_lists(approved="127.0.0.7\n")
    await proxy.start()
    reader, writer = await proxy.connect(local_addr=(client, 0))
    await converse(reader, writer, greeting)


async def connect_many(proxy, count):
    [port] = await proxy.ports()
    return [
        await asyncio.open_connection("127.0.0.1", port, local_addr=(f"127.0.1.{n}", 0))
        for n in range(1, count + 1)
    ]


async def test_many_at_once(proxy, service):
    service.start()
    configure(proxy, service)
    await proxy.start()
    pairs = await connect_many(proxy, 50)
    await asyncio.gather(*[converse(*pair, b"220 itself\r\n") for pair in pairs])
    assert sorted(told[0] for told in service.told) == sorted(f"127.0.1.{n}" for n in range(1, 51))
    await proxy.written(100)


def connections(worker):
    """How many established connections a process has."""
    links = [link.readlink() for link in Path(f"/proc/{worker}/fd").iterdir()]
    inodes = {re.sub("[^0-9]", "", str(link)) for link in links if str(link).startswith("socket:")}
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[3] != LISTEN and row[9] in inodes for row in rows)


async def test_nothing_of_it_is_kept(proxy, service):
    service.start()
    configure(proxy, service)
    await proxy.start()
    worker = await proxy.worker()
    pairs = await connect_many(proxy, 20)
    for reader, _ in pairs:
        assert await reader.readline() == b"220 itself\r\n"
    await proxy.written(40)
    assert connections(worker) == 0
    for _, writer in pairs:
        writer.close()


async def relayed_instead(proxy, problem, change=""):
    backend = await Backend().start()
    text = proxy.config.read_text()
    proxy.config.write_text(text.replace("127.0.0.1:9", f"127.0.0.1:{backend.port}"))
    await proxy.start(change=change)
    reader, writer = await proxy.connect()
    await converse(reader, writer, b"220 backend\r\n")
    decision, session = await proxy.written(2)
    first, second = decision["checks"][-2:]
    assert (first["result"], first["detail"], second["result"]) == ("failed", problem, "ok")
    assert session["from_client"] == len("NOOP\r\nQUIT\r\n")
    status = await proxy.status()
    assert (status["handed_over"], status["handover_problem"]) == (0, problem)
    assert f"sessions are relayed: {problem}" in proxy.stderr.read_text()


async def test_without_the_service_sessions_are_relayed(proxy, service):
    configure(proxy, service)
    await relayed_instead(proxy, "No such file or directory")


async def test_while_postfix_is_stopped_sessions_are_relayed(proxy, service):
    service.listen().close()
    configure(proxy, service)
    await relayed_instead(proxy, "Connection refused")


async def test_with_a_full_queue_sessions_are_relayed(proxy, service):
    service.listen(backlog=0)
    configure(proxy, service)
    with socket.socket(socket.AF_UNIX) as first:
        first.connect(str(service.path))
        await relayed_instead(proxy, "Resource temporarily unavailable")


NO_DESCRIPTOR_LEFT = """
import errno, os, socket, types
from sender_filter.io import handover
def full(*arguments):
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
handover.socket = types.SimpleNamespace(**vars(socket) | {"socket": full})
"""


async def test_without_a_descriptor_for_the_service_sessions_are_relayed(proxy, service):
    service.start()
    configure(proxy, service)
    await relayed_instead(proxy, "Too many open files", NO_DESCRIPTOR_LEFT)


async def test_who_is_in_the_queue_of_a_postfix_that_ends_is_relayed(proxy, service):
    backend = await Backend().start()
    service.listen()
    configure(proxy, service, backend.port)
    await proxy.start()
    reader, writer = await proxy.connect()
    writer.write(b"NOOP\r\n")
    while (await proxy.status())["sessions"] == 0:
        await asyncio.sleep(0.01)
    service.close()
    assert await reader.readline() == b"220 backend\r\n"
    assert await reader.readline() == b"250 NOOP\r\n"
    writer.close()
    assert len(backend.headers) == 1


async def test_with_all_of_postfix_away_a_client_hears_of_it(proxy, service):
    configure(proxy, service)
    await proxy.start()
    reader, writer = await proxy.connect()
    assert (await reader.read()).startswith(b"421 4.3.2 ")
    writer.close()
    [record] = await proxy.written(1)
    assert (record["function"], record["action"]) == ("upstream", "temporary")


async def test_after_an_error_connections_are_handed_over_again(proxy, service):
    backend = await Backend().start()
    configure(proxy, service, backend.port)
    await proxy.start()
    reader, writer = await proxy.connect()
    await converse(reader, writer, b"220 backend\r\n")
    service.start()
    reader, writer = await proxy.connect()
    await converse(reader, writer, b"220 itself\r\n")
    await proxy.says("are handed over to")
    status = await proxy.status()
    assert (status["handed_over"], status["handover_problem"]) == (1, None)


async def test_a_session_that_was_handed_over_outlives_the_filter(proxy, service):
    service.start()
    configure(proxy, service)
    await proxy.start()
    reader, writer = await proxy.connect()
    assert await reader.readline() == b"220 itself\r\n"
    await proxy.written(2)
    proxy.signal(signal.SIGTERM)
    assert await proxy.stopped() == 0
    writer.write(b"NOOP\r\n")
    assert await reader.readline() == b"250 NOOP\r\n"
    writer.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_who_waits_for_postfix_does_not_hold_the_filter_up(proxy, service, number):
    service.listen()
    configure(proxy, service)
    await proxy.start()
    reader, writer = await proxy.connect()
    while (await proxy.status())["sessions"] == 0:
        await asyncio.sleep(0.01)
    if number == signal.SIGTERM:
        proxy.signal(number)
        assert await proxy.stopped() == 0
    else:
        proxy.kill()
    service.start()
    await converse(reader, writer, b"220 itself\r\n")


async def test_the_switch_is_taken_up_by_a_reload(proxy, service):
    backend = await Backend(smtp).start()
    service.start()
    configure(proxy, service, backend.port)
    await proxy.start()
    reader, writer = await proxy.connect()
    await converse(reader, writer, b"220 itself\r\n")
    text = proxy.config.read_text()
    proxy.config.write_text(text.replace('handover = "pass"', 'handover = "relay"'))
    proxy.signal(signal.SIGHUP)
    await proxy.hears("RELOADING=1")
    await proxy.hears("READY=1")
    reader, writer = await proxy.connect()
    await converse(reader, writer, b"220 backend\r\n")


def test_another_word_for_the_switch_is_refused(proxy, service):
    configure(proxy, service)
    text = proxy.config.read_text()
    proxy.config.write_text(text.replace('handover = "pass"', 'handover = "passs"'))
    said = proxy.run("check-config", check=False)
    assert said.returncode == 1
    assert "upstream.handover: Invalid enum value 'passs'" in said.stderr
    proxy.config.write_text(text.replace(str(service.path), "public/sender-filter"))
    said = proxy.run("check-config", check=False)
    assert "'public/sender-filter' is not an absolute path" in said.stderr
