"""The transport of our own: whatever is done here is done with the event loop's own one as well."""

import asyncio
import contextlib
import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sender_filter.io.connection import Connection
from sender_filter.io.watch import Watch

MUCH = 4 * 1024 * 1024
HIGH = 128 * 1024
RESET = struct.pack("ii", 1, 0)  # SO_LINGER for no time: the end is a RST


class Protocol(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self, *, keeps=True):
        self.keeps = keeps
        self.told = []
        self.heard = bytearray()
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.set_write_buffer_limits(high=HIGH)
        self.told.append("made")

    def data_received(self, data):
        self.heard += data

    def eof_received(self):
        self.told.append("eof")
        return self.keeps

    def pause_writing(self):
        self.told.append("pause")

    def resume_writing(self):
        self.told.append("resume")

    def connection_lost(self, exc):
        self.told.append("lost" if exc is None else type(exc).__name__)
        self.ended.set_result(None)


async def ours(connection, protocol):
    Connection(connection, protocol, Watch())


async def the_loops(connection, protocol):
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(lambda: protocol, connection)


def pair():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        connection, _ = listener.accept()
    for each in (client, connection):
        each.setblocking(False)
    return connection, client


async def made(attach, **options):
    connection, client = pair()
    protocol = Protocol(**options)
    await attach(connection, protocol)
    return protocol, client


async def read(client, size=None):
    """So many bytes, or all up to the end."""
    loop = asyncio.get_running_loop()
    found = bytearray()
    while size is None or len(found) < size:
        piece = await loop.sock_recv(client, 65536)
        if not piece:
            break
        found += piece
    return bytes(found)


async def until(holds):
    while not holds():
        await asyncio.sleep(0.005)


both = pytest.mark.parametrize("attach", [ours, the_loops])


@both
async def test_it_says_and_hears(attach):
    protocol, client = await made(attach)
    protocol.transport.write(b"220 here\r\n")
    assert await read(client, 10) == b"220 here\r\n"
    client.send(b"QUIT\r\n")
    await until(lambda: protocol.heard == b"QUIT\r\n")
    client.close()
    await until(lambda: "eof" in protocol.told)
    protocol.transport.close()
    await protocol.ended
    assert protocol.told == ["made", "eof", "lost"]


@both
async def test_what_the_other_end_does_not_take_waits_in_order(attach):
    protocol, client = await made(attach)
    text = os.urandom(MUCH)
    for start in range(0, MUCH, 100_000):
        protocol.transport.write(text[start : start + 100_000])
    assert protocol.told == ["made", "pause"]
    assert protocol.transport.get_write_buffer_size() > HIGH
    protocol.transport.write_eof()
    assert await read(client) == text
    await until(lambda: protocol.told == ["made", "pause", "resume"])
    assert protocol.transport.get_write_buffer_size() == 0
    client.send(b"still here")
    await until(lambda: protocol.heard == b"still here")
    protocol.transport.abort()


@both
async def test_a_close_waits_for_what_was_written(attach):
    protocol, client = await made(attach)
    text = os.urandom(MUCH)
    protocol.transport.write(text)
    protocol.transport.close()
    assert protocol.transport.is_closing()
    assert protocol.told == ["made", "pause"]
    assert await read(client) == text
    await protocol.ended
    assert protocol.told[-1] == "lost"


@both
async def test_nothing_is_read_while_it_is_paused(attach):
    protocol, client = await made(attach)
    protocol.transport.pause_reading()
    client.send(b"early")
    await asyncio.sleep(0.05)
    assert not protocol.heard
    protocol.transport.resume_reading()
    await until(lambda: protocol.heard == b"early")
    protocol.transport.abort()


@both
async def test_an_abort_is_told_of_later(attach):
    protocol, client = await made(attach)
    protocol.transport.write(bytes(MUCH))
    protocol.transport.abort()
    assert "lost" not in protocol.told
    assert protocol.transport.is_closing()
    protocol.transport.write(b"too late")
    await protocol.ended
    assert protocol.told[-1] == "lost"
    with contextlib.suppress(ConnectionResetError):
        assert len(await read(client)) < MUCH


@both
async def test_a_protocol_that_does_not_keep_a_half_closed_connection_has_it_closed(attach):
    protocol, client = await made(attach, keeps=False)
    client.shutdown(socket.SHUT_WR)
    await protocol.ended
    assert await read(client) == b""


@both
async def test_a_reset_is_an_end(attach):
    protocol, client = await made(attach)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()
    await protocol.ended
    assert protocol.told == ["made", "ConnectionResetError"]


@both
async def test_writing_to_one_who_has_left_is_an_end(attach):
    protocol, client = await made(attach)
    protocol.transport.pause_reading()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()
    for _ in range(3):
        protocol.transport.write(b"hello?\r\n")
        await asyncio.sleep(0.01)
    await protocol.ended
    assert protocol.told[-1] in ("BrokenPipeError", "ConnectionResetError")
    assert protocol.transport.get_write_buffer_size() == 0


@both
async def test_after_a_fin_nothing_can_be_written(attach):
    protocol, _client = await made(attach)
    protocol.transport.write_eof()
    protocol.transport.write_eof()
    with pytest.raises(RuntimeError):
        protocol.transport.write(b"more")
    protocol.transport.abort()


@both
async def test_another_protocol_takes_over(attach):
    first, client = await made(attach)
    second = Protocol()
    first.transport.set_protocol(second)
    client.send(b"to the second")
    await until(lambda: second.heard == b"to the second")
    client.close()
    await until(lambda: second.told == ["eof"])
    first.transport.abort()
    await second.ended
    assert first.told == ["made"]


async def test_what_is_written_in_one_turn_goes_out_at_its_end_in_one_piece():
    protocol, client = await made(ours)
    for word in (b"220 ", b"here", b"\r\n"):
        protocol.transport.write(word)
    with pytest.raises(BlockingIOError):
        client.recv(100)
    await asyncio.sleep(0)
    assert client.recv(100) == b"220 here\r\n"
    protocol.transport.abort()


async def test_who_is_cut_off_hears_nothing_of_what_was_just_written():
    protocol, client = await made(ours)
    protocol.transport.write(b"354 go ahead\r\n")
    protocol.transport.abort()
    await protocol.ended
    assert await read(client) == b""


@pytest.mark.parametrize("gone", ["paused", "heard out"])
async def test_who_is_not_read_costs_nothing_when_the_other_end_has_left(gone):
    """An epoll tells of a dead connection again and again; this one is not in it any more."""
    watch, looks = Watch(), []
    connection, client = pair()
    protocol = Protocol()
    Connection(connection, protocol, watch)
    if gone == "paused":
        protocol.transport.pause_reading()
    else:
        client.shutdown(socket.SHUT_WR)
        await until(lambda: "eof" in protocol.told)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()
    asyncio.get_running_loop().remove_reader(watch._epoll)
    asyncio.get_running_loop().add_reader(watch._epoll, lambda: looks.append(watch._look()))
    await asyncio.sleep(0.05)
    assert len(looks) <= 1
    protocol.transport.abort()
    await protocol.ended


async def test_what_goes_wrong_with_one_is_not_the_others_trouble(caplog):
    watch = Watch()
    (bad_end, bad_client), (good_end, good_client) = pair(), pair()
    bad, good = Protocol(), Protocol()
    bad.data_received = lambda _: 1 // 0
    for end, protocol in ((bad_end, bad), (good_end, good)):
        Connection(end, protocol, watch)
    bad_client.send(b"x")
    good_client.send(b"y")
    await bad.ended
    await until(lambda: good.heard == b"y")
    assert "ZeroDivisionError" in caplog.text
    good.transport.abort()


async def test_the_last_one_told_may_be_gone_before_it_is_told():
    """Both have something to say in one turn, and the first to be heard ends the other."""
    watch = Watch()
    (one_end, one_client), (two_end, two_client) = pair(), pair()
    one, two = Protocol(), Protocol()
    one.data_received = lambda _: two.transport.abort()
    two.data_received = lambda _: one.transport.abort()
    Connection(one_end, one, watch)
    Connection(two_end, two, watch)
    one_client.send(b"x")
    two_client.send(b"y")
    await asyncio.wait([one.ended, two.ended], return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0.02)
    assert one.ended.done() != two.ended.done()
    one.transport.abort()
    two.transport.abort()


DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from([1, 700, 90_000, 1_000_000])),
        st.tuples(st.just("hear"), st.sampled_from([1, 5_000, 300_000])),
        st.tuples(st.sampled_from(["pause", "resume", "turn"]), st.just(0)),
        st.tuples(st.just("say"), st.sampled_from([1, 3_000])),
    ),
    max_size=12,
)


@given(DEEDS)
def test_it_does_as_the_loops_own_does(deeds):
    assert asyncio.run(_done(ours, deeds)) == asyncio.run(_done(the_loops, deeds))


async def _done(attach, deeds):
    """All that was said and heard, whatever the order."""
    protocol, client = await made(attach)
    said, heard, written = bytearray(), bytearray(), bytearray()
    for deed, size in deeds:
        match deed:
            case "write":
                written += bytes([len(written) % 251]) * size
                protocol.transport.write(bytes(written[-size:]))
            case "say":
                said += bytes([len(said) % 251]) * size
                client.send(said[-size:])
            case "hear":
                with contextlib.suppress(BlockingIOError):
                    heard += client.recv(size)
            case "pause":
                protocol.transport.pause_reading()
            case "resume":
                protocol.transport.resume_reading()
            case _:
                await asyncio.sleep(0)
    protocol.transport.resume_reading()
    client.shutdown(socket.SHUT_WR)
    protocol.transport.write_eof()
    heard += await read(client)
    await until(lambda: "eof" in protocol.told)
    protocol.transport.close()
    await protocol.ended
    client.close()
    order = [each for each in protocol.told if each not in ("pause", "resume")]
    paused = protocol.told.count("pause") - protocol.told.count("resume")
    assert heard == written
    assert protocol.heard == said
    return order, paused
