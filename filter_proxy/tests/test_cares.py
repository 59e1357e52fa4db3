"""A channel of c-ares in the event loop, over real DNS."""

import asyncio
from pathlib import Path

import pycares
import pytest
from lying_dns import LyingDns, name_of

from sender_filter.io.cares import Channel

NAME = name_of("192.0.2.1", "bl.test")


@pytest.fixture
def server():
    server = LyingDns()
    server.lists("bl.test", "192.0.2.1")
    yield server
    server.close()


def channel_to(server, seconds=0.3):
    return Channel([server.address], seconds, 4)


def threads():
    return len(list(Path("/proc/self/task").iterdir()))


async def ask(channel):
    async with asyncio.timeout(10):
        return [each.data.addr for each in await channel.ask(NAME, pycares.QUERY_TYPE_A)]


async def test_no_thread_is_started_for_a_channel(server):
    first = channel_to(server)  # with the first one pycares starts a thread that buries them all
    before = threads()
    others = [channel_to(server) for _ in range(5)]
    assert threads() == before
    for each in (first, *others):
        assert await ask(each) == ["127.0.0.2"]
        each.close()


async def test_what_is_lost_is_asked_again(server):
    channel = channel_to(server)
    server.mode = "dead"
    question = asyncio.create_task(ask(channel))
    while not server.asked:
        await asyncio.sleep(0.01)
    server.mode = "true"
    assert await question == ["127.0.0.2"]
    assert len(server.asked) > 1
    channel.close()


async def test_an_answer_over_tcp_is_read(server):
    channel = channel_to(server, seconds=5)
    server.mode = "truncated"
    assert await ask(channel) == ["127.0.0.2"]
    assert server.over_tcp
    channel.close()


async def test_the_end_of_a_channel_is_that_of_its_questions(server):
    channel = channel_to(server, seconds=60)
    server.mode = "dead"
    question = channel.ask(NAME, pycares.QUERY_TYPE_A)
    given_up = channel.ask(name_of("192.0.2.2", "bl.test"), pycares.QUERY_TYPE_A)
    given_up.cancel()
    channel.close()
    channel.close()
    with pytest.raises(pycares.AresError) as raised:
        await question
    assert raised.value.args[0] == pycares.errno.ARES_ECANCELLED
    with pytest.raises(RuntimeError):
        await channel.ask(NAME, pycares.QUERY_TYPE_A)


async def test_a_name_that_cannot_be_asked_for_is_an_error_of_the_question(server):
    channel = channel_to(server)
    with pytest.raises(pycares.AresError):
        await channel.ask(f"{'x' * 64}.test", pycares.QUERY_TYPE_A)
    channel.close()
