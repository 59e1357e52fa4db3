"""Two workers are as one: nothing is counted less exactly, whoever accepts a client.

Which worker accepts is chosen by stopping the other one (SIGSTOP) for that moment.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import time
from pathlib import Path

import pytest
from harness import Backend
from hypothesis import given
from hypothesis import strategies as st
from test_functions import KNOWN_HOSTS, Client, Postfix, figures, received, scanned

from sender_filter.core import addresses, networks
from sender_filter.core.addresses import Address
from sender_filter.core.profiler import Profiler, Seen
from sender_filter.core.shares import Shares
from sender_filter.core.subject import Sender, Subjects
from sender_filter.io import control, siblings
from sender_filter.io.board import Board
from sender_filter.io.messages import Request, sums
from sender_filter.io.messages.status import ListStatus, Status, UpstreamStatus, ZoneStatus
from sender_filter.io.metrics import Metrics
from sender_filter.io.post import Post
from sender_filter.settings import loading
from sender_filter.state import Keeper
from sender_filter.state.redis import Redis

GREETING = b"220 backend\r\n"
LIMITS = "[limits]\nsessions_per_address = 0\n"


def owner(address):
    """The number of the worker that an address belongs to."""
    return Shares(2).of(Subjects().of(addresses.parse(address)))


def owned_by(worker, among=range(2, 250)):
    """Addresses on loopback that belong to a worker."""
    return [each for each in (f"127.0.0.{n}" for n in among) if owner(each) == worker]


FIRSTS, SECONDS = owned_by(0)[0], owned_by(1)[0]
"""An address of each worker."""


PATIENT = "from sender_filter.io import siblings; siblings.SIGN_SECONDS = 20.0"


def ask(proxy, command, address):
    return control.ask([proxy.directory / "control"], Request(command, address))


class Workers:
    """The two workers of a filter."""

    def __init__(self, proxy, port, pids):
        self.proxy, self.port, self.pids = proxy, port, pids
        self.links = []  # or they are closed when nobody has them any more

    @classmethod
    async def of(cls, proxy):
        status = await proxy.status()
        [port] = [int(name.rpartition(":")[2]) for name in status["listeners"]]
        return cls(proxy, port, [each["pid"] for each in status["workers"]])

    @contextlib.contextmanager
    def only(self, worker):
        """Meanwhile the other one stands still."""
        other = self.pids[1 - worker]
        os.kill(other, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(other, signal.SIGCONT)

    async def connect(self, address):
        link = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        self.links.append(link)
        return link

    async def greeted(self, address):
        """A connection and what it is greeted with."""
        reader, writer = await self.connect(address)
        return await reader.readline(), reader, writer

    async def accepted_by(self, worker, address):
        """A connection that this worker has accepted, be it for the other one."""
        with self.only(worker):
            reader, writer = await self.connect(address)
            await taken(self.port)
        return reader, writer


async def taken(port):
    """Wait until no connection waits to be accepted."""
    async with asyncio.timeout(5):
        while waiting(port):
            await asyncio.sleep(0.005)


def waiting(port):
    """How many connections are in a listener's queue."""
    with Path("/proc/net/tcp").open() as table:
        rows = [line.split() for line in table][1:]
    return sum(
        int(row[4].partition(":")[2], 16)
        for row in rows
        if row[3] == "0A" and int(row[1].partition(":")[2], 16) == port
    )


async def started(proxy, backend, more="", **options):
    await backend.start()
    proxy.configure(backend.port, workers=2, more=more)
    await proxy.start(**options)
    return await Workers.of(proxy)


async def recorded(proxy, count, **wanted):
    """The records with these fields: so many, and after a moment no more."""
    async with asyncio.timeout(10):
        while len(_recorded(proxy, wanted)) < count:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)  # in which a second one would have been written
    found = _recorded(proxy, wanted)
    assert len(found) == count
    return found


def _recorded(proxy, wanted):
    lines = [line for file in proxy.records.glob("*.jsonl") for line in file.open()]
    found = [json.loads(line) for line in lines if line.endswith("\n")]
    return [each for each in found if all(each.get(k) == v for k, v in wanted.items())]


# What decides


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1), st.integers(1, 64))
def test_all_addresses_of_one_network_belong_to_one_worker(value, host, workers):
    shares, subjects = Shares(workers), Subjects()
    neighbour = value >> 64 << 64 | host
    first = shares.of(subjects.of(Address(6, value)))
    assert first == shares.of(subjects.of(Address(6, neighbour)))
    assert 0 <= first < workers
    assert shares.of(Sender.of("A@Example.test")) == shares.of(Sender.of("a@example.TEST"))


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_neighbours_are_spread_over_all_workers(workers):
    counts = [0] * workers
    for value in range(0xC0000200, 0xC0000200 + 4096):
        counts[Shares(workers).of(Subjects().of(Address(4, value)))] += 1
    assert min(counts) > 0.8 * 4096 / workers


def test_a_worker_that_leaves_gives_its_place_to_the_next():
    board = Board(2)
    one, other = board.place(0), board.place(1)
    one.put(3)
    other.put(4)
    assert other.total() == 7
    one.leave()
    one.put(9)
    next_one = board.place(0)
    next_one.put(1)
    assert other.total() == 5
    board.place(1)
    assert next_one.total() == 1


def test_a_box_keeps_what_was_put_into_it_and_says_when_it_is_full():
    desk = Post(2).desk(0)
    assert desk.send(0, b"one")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert desk.send(0, b"two", theirs)
    assert desk.take() == (b"one", None)
    message = desk.take()
    assert message.data == b"two"
    message.connection.close()
    assert desk.take() is None
    while desk.send(0, b"x" * 1000):
        pass
    assert desk.take().data == b"x" * 1000
    desk.close()
    assert desk.take() is None
    assert not desk.send(0, b"nobody reads it any more")


def status(**fields):
    """What a worker says, with these fields."""
    usual = {
        "version": "1", "release": "", "pid": 1, "supervisor": 0, "since": "", "state": "running",
        "front": "edge", "listeners": [], "sessions": 0, "relayed": 0, "refusing": 0, "refused": 0,
        "upstream": UpstreamStatus("u", None, None, None), "blocked": ListStatus([], 0),
        "approved": ListStatus([], 0), "files": {}, "loaded": "", "load_seconds": 0.0,
        "reload_error": None, "records_dropped": 0, "records_error": None, "zones": [],
        "entries": 0, "profiles": 0, "state_problem": None, "unseen": {}, "tls": {},
    }  # fmt: skip
    return Status(**usual | fields)


def zone(state, asked, failed, when=None):
    return ZoneStatus("bl", 4, state, None, asked, 0, last_failure=failed, last_failure_time=when)


def test_a_sum_is_as_bad_as_its_worst_part():
    good = status(
        upstream=UpstreamStatus("u", healthy=True, last_error="old", last_error_time="1"),
        zones=[zone("trusted", 2, "late", "2")],
        tls={"ended": 1},
    )
    bad = status(
        upstream=UpstreamStatus("u", healthy=False, last_error="new", last_error_time="2"),
        zones=[zone("silent", 3, None)],
        tls={"ended": 2, "failed": 1},
        reload_error="refused",
        records_error="full",
        state_problem="away",
        handover_problem="no",
    )
    for parts in ([good, bad], [bad, good]):
        total = sums.of(parts)
        assert total.upstream == UpstreamStatus("u", False, "new", "2")
        [found] = total.zones
        assert (found.state, found.asked, found.last_failure) == ("silent", 5, "late")
        assert total.tls == {"ended": 3, "failed": 1}
        problems = total.reload_error, total.records_error, total.state_problem
        assert (*problems, total.handover_problem) == ("refused", "full", "away", "no")
    assert sums.of([good, status()]).upstream.healthy is True
    assert sums.of([status(), status()]).upstream.healthy is None


# Clients


async def test_each_client_is_served_by_the_worker_it_belongs_to(proxy):
    workers = await started(proxy, Backend())
    for address in (FIRSTS, SECONDS):
        for accepting in (0, 1):
            reader, writer = await workers.accepted_by(accepting, address)
            assert await reader.readline() == GREETING
            writer.close()
    served = (await proxy.status())["workers"]
    assert [each["relayed"] for each in served] == [2, 2]
    records = await proxy.written(8)
    assert len({each["session"] for each in records}) == 4
    assert {each["address"] for each in records} == {FIRSTS, SECONDS}


async def test_who_is_listed_is_refused_by_whoever_accepts(proxy):
    proxy.write_lists(blocked=f"{SECONDS}\n")
    workers = await started(proxy, Backend())
    for accepting in (0, 1):
        with workers.only(accepting):
            greeting, _, writer = await workers.greeted(SECONDS)
            assert greeting.startswith(b"554 ")
            writer.close()
    status = await proxy.status()
    assert [each["refused"] for each in status["workers"]] == [1, 1]
    assert status["refused"] == 2
    assert status["decisions"] == [{"function": "blocked", "action": "permanent", "count": 2}]


async def test_connections_of_an_address_are_throttled_exactly(proxy):
    more = '[throttling]\nmode = "on"\naddress = { most_connections = 5 }\n'
    workers = await started(proxy, Backend(), more)
    for address in (FIRSTS, SECONDS):
        greetings = []
        for number in range(8):
            reader, writer = await workers.accepted_by(number % 2, address)
            greetings.append((await reader.readline())[:3])
            writer.close()
        assert greetings == [b"220"] * 5 + [b"421"] * 3
    await recorded(proxy, 2, event="block", change="started")


async def test_sessions_of_an_address_are_limited_exactly(proxy):
    workers = await started(proxy, Backend(), "[limits]\nsessions_per_address = 3\n")
    for address in (FIRSTS, SECONDS):
        links = [await workers.accepted_by(number % 2, address) for number in range(5)]
        greetings = [(await reader.readline())[:3] for reader, _ in links]
        assert greetings == [b"220"] * 3 + [b"421"] * 2


async def test_sessions_of_all_workers_count_for_the_limit(proxy):
    workers = await started(proxy, Backend(), "[limits]\nsessions = 2\n")
    others = owned_by(0)[1], owned_by(1)[1]
    for address in (FIRSTS, SECONDS):
        assert (await workers.greeted(address))[0] == GREETING
    for address in others:
        assert (await workers.greeted(address))[0].startswith(b"421 ")
    os.kill(workers.pids[1], signal.SIGKILL)  # and with it one of the two
    async with asyncio.timeout(5):
        while (await workers.greeted(others[1]))[0] != GREETING:
            await asyncio.sleep(0.05)
    assert (await workers.greeted(others[0]))[0].startswith(b"421 ")


async def test_sessions_of_known_hosts_stay_where_they_came_in(proxy):
    workers = await started(proxy, Backend(), KNOWN_HOSTS)
    for accepting in (0, 1):
        with workers.only(accepting):
            assert (await workers.greeted(SECONDS))[0] == GREETING


# What is counted of others than the client


async def say_message(link, *hops, sender="a@example.test"):
    """Send a message that has come by these hops; the reply to its end."""
    smtp = Client(*link)
    lines = (f"MAIL FROM:<{sender}>", "RCPT TO:<b@example.test>", "DATA", received(*hops))
    await smtp.reply()
    end = [await smtp.say(line) for line in lines][-1]
    smtp.writer.close()
    return end


async def deliver(workers, accepting, origin, client=FIRSTS, sender="a@example.test"):
    """The same over a new connection."""
    link = await workers.accepted_by(accepting, client)
    return await say_message(link, origin, sender=sender)


async def test_messages_of_an_origin_are_counted_together_whoever_brings_them(proxy):
    rule = '[profiler.spam]\nenabled = "on"\ntotal_messages = 3\nrate_percent = 50\n'
    workers = await started(proxy, Postfix(), KNOWN_HOSTS + rule)
    origins = {owner(each): each for each in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")}
    for origin in origins.values():
        ids = [(await deliver(workers, n % 2, origin)).rpartition(" ")[2] for n in range(4)]
        for queue_id in ids[:2]:
            await scanned(proxy, queue_id, FIRSTS)  # the client, which the scan service knows
        assert (await proxy.ask("profile", origin))["rows"] == []
        await scanned(proxy, ids[2], FIRSTS)
        await scanned(proxy, ids[2], FIRSTS)
        [row] = (await proxy.ask("profile", origin))["rows"]
        assert (row["bad"], row["total"], row["violated"]) == (3, 4, True)
        for accepting in (0, 1):
            assert (await deliver(workers, accepting, origin)).startswith("421 ")
    status = await proxy.status()
    assert (status["reports"]["spam"], status["profiles"]) == (6, 2)
    blocks = await recorded(proxy, 2, event="block", change="started")
    assert {each["address"] for each in blocks} == set(origins.values())


@pytest.mark.parametrize("sender", ["a@example.test", "b@example.test", "c@example.test"])
async def test_messages_of_a_sender_are_counted_together(proxy, sender):
    more = '[throttling]\nmode = "on"\nsender = { most_messages = 3 }\n'
    workers = await started(proxy, Postfix(), more)
    ends = []
    for number in range(5):
        client = (FIRSTS, SECONDS)[number % 2]
        ends.append((await deliver(workers, number % 2, "192.0.2.1", client, sender))[:3])
    assert ends == ["250"] * 3 + ["450"] * 2
    [block] = await recorded(proxy, 1, event="block")
    assert block["address"] == f"<{sender}>"


async def waits_for_its_owner(workers, accepting, origin, **message):
    """The reply to a message, which is judged only when the other worker has said all it knows."""
    other = 1 - accepting
    client = owned_by(accepting)[1]
    link = await workers.accepted_by(accepting, client)
    os.kill(workers.pids[other], signal.SIGSTOP)
    try:
        judged = asyncio.create_task(say_message(link, origin, **message))
        await asyncio.sleep(0.5)
        assert not judged.done()
    finally:
        os.kill(workers.pids[other], signal.SIGCONT)
    return await judged


async def test_a_sender_is_judged_by_what_its_worker_has_counted_until_then(proxy):
    more = '[throttling]\nmode = "on"\nsender = { most_messages = 1 }\n'
    workers = await started(proxy, Postfix(), more, change=PATIENT)
    senders = [f"{letter}@example.test" for letter in "abcdefgh"]
    sender = next(each for each in senders if Shares(2).of(Sender.of(each)) == 1)
    assert (await deliver(workers, 0, "192.0.2.1", FIRSTS, sender))[:3] == "250"
    assert (await waits_for_its_owner(workers, 0, "192.0.2.1", sender=sender))[:3] == "450"


class Refusing(Postfix):
    """Refuses each message at its end."""

    async def _talk(self, reader, writer):
        writer.write(b"220 backend\r\n")
        while line := await reader.readline():
            command = line.strip().upper()
            if command == b"DATA":
                writer.write(b"354 go on\r\n")
                await self._content(reader)
                writer.write(b"554 5.7.1 not wanted\r\n")
            else:
                writer.write(b"250 2.1.0 Ok\r\n")


async def test_an_origin_is_judged_by_what_its_worker_has_counted_until_then(proxy):
    rule = '[profiler.bounced]\nenabled = "on"\ntotal_messages = 0\nrate_percent = 1\n'
    workers = await started(proxy, Refusing(), KNOWN_HOSTS + rule, change=PATIENT)
    origin = next(each for each in (f"192.0.2.{n}" for n in range(9)) if owner(each) == 1)
    link = await workers.accepted_by(0, FIRSTS)
    assert (await say_message(link, origin))[:3] == "554"
    assert (await waits_for_its_owner(workers, 0, origin))[:3] == "421"


async def test_a_report_about_a_message_that_nobody_knows_counts_once_against_the_client(proxy):
    rule = '[profiler.spam]\nenabled = "on"\ntotal_messages = 0\nrate_percent = 1\n'
    await started(proxy, Postfix(), rule + '[profiler.virus]\nenabled = "on"\n')
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
        await scanned(proxy, f"Q-{address}", address)
        await scanned(proxy, f"Q-{address}", address)
    status = await proxy.status()
    assert (status["reports"]["spam"], status["profiles"]) == (3, 3)


# An operator's word


async def test_an_operators_word_counts_at_once_for_both(proxy):
    workers = await started(proxy, Backend())
    for address in (FIRSTS, SECONDS):
        for order, expected in (
            (("block", "add", address, "--for", "1h"), b"421"),
            (("approve", "add", address), b"220"),
            (("approve", "remove", address), b"220"),
        ):
            await asyncio.to_thread(proxy.run, *order)
            for accepting in (0, 1):
                reader, writer = await workers.accepted_by(accepting, address)
                assert (await reader.readline())[:3] == expected
                writer.close()
    changes = await recorded(proxy, 4, event="block")
    assert [each["change"] for each in changes] == ["started", "removed"] * 2
    await recorded(proxy, 6, event="order")


async def test_an_operators_known_host_is_one_for_both(proxy):
    relay, outside = "198.51.100.7", "192.0.2.9"
    proxy.write_lists(blocked=f"{outside}\n")
    workers = await started(proxy, Postfix(), KNOWN_HOSTS)
    for order, expected in (("add", "554"), ("remove", "250")):
        await asyncio.to_thread(proxy.run, "known", order, relay)
        for accepting in (0, 1):
            link = await workers.accepted_by(accepting, FIRSTS)
            assert (await say_message(link, relay, outside))[:3] == expected


async def test_an_order_is_answered_when_both_know_of_it(proxy):
    workers = await started(proxy, Backend(), change=PATIENT)
    with workers.only(0):
        order = asyncio.create_task(asyncio.to_thread(ask, proxy, "block", FIRSTS))
        async with asyncio.timeout(10):
            while (await asyncio.to_thread(ask, proxy, "check", FIRSTS)).function != "blocked":
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        assert not order.done()
    assert (await order).text == f"{FIRSTS} is blocked"


async def test_the_end_of_a_block_is_recorded_once(proxy):
    await started(proxy, Backend())
    await asyncio.to_thread(proxy.run, "block", "add", "192.0.2.0/24", "--for", "1s")
    await recorded(proxy, 1, event="block", change="over")
    await asyncio.sleep(1.2)  # in which each worker has looked for what is over
    await recorded(proxy, 1, event="block", change="over")


async def test_what_a_client_is_explained_is_what_its_worker_would_do(proxy):
    # For the block lists a check may take longer than whoever asks has patience.
    workers = await started(proxy, Backend(), "[reputation]\ndeadline_seconds = 30\n")
    await asyncio.to_thread(proxy.run, "block", "add", SECONDS)
    assert (await proxy.ask("check", SECONDS))["function"] == "blocked"
    os.kill(workers.pids[1], signal.SIGSTOP)  # who does not answer is not waited for
    try:
        assert (await asyncio.to_thread(ask, proxy, "check", SECONDS)).function == "blocked"
        answering = [each.get("pid") for each in (await proxy.status())["workers"]]
        assert answering == [workers.pids[0], None]
    finally:
        os.kill(workers.pids[1], signal.SIGCONT)


# Workers come and go


async def another(proxy, workers, number):
    """Wait until another worker is in this one's place; both."""
    while (new := await Workers.of(proxy)).pids[number] in (None, workers.pids[number]):
        await asyncio.sleep(0.02)
    return new


@pytest.mark.parametrize("killed", [0, 1])
async def test_a_killed_worker_is_replaced_alone_and_its_box_served(proxy, killed):
    workers = await started(proxy, Backend())
    mine, others = (SECONDS, FIRSTS) if killed else (FIRSTS, SECONDS)
    greeting, reader, writer = await workers.greeted(others)
    assert greeting == GREETING
    os.kill(workers.pids[killed], signal.SIGSTOP)
    waiting_ones = [await workers.connect(mine) for _ in range(20)]
    await taken(workers.port)  # by the other one: they are in the box of the stopped one
    os.kill(workers.pids[killed], signal.SIGKILL)
    for waiting_reader, waiting_writer in waiting_ones:
        assert await waiting_reader.readline() == GREETING
        waiting_writer.close()
    new = await another(proxy, workers, killed)
    assert new.pids[1 - killed] == workers.pids[1 - killed]
    writer.write(b"NOOP\r\n")
    assert await reader.readline() == b"250 NOOP\r\n"
    writer.close()
    served = [each["relayed"] for each in (await proxy.status())["workers"]]
    assert served[killed] == 20
    records = await proxy.written(42)
    assert len({each["session"] for each in records}) == 21


@pytest.mark.parametrize("killed", [0, 1])
async def test_a_successor_knows_what_is_in_force_though_the_store_is_away(proxy, killed):
    backend = await Backend().start()
    proxy.configure(backend.port, workers=2)
    text = proxy.config.read_text()
    proxy.config.write_text(text.replace("/state.sqlite", "/nowhere/state.sqlite"))
    await proxy.start()
    workers = await Workers.of(proxy)
    assert (await proxy.status())["state_problem"] is not None
    for address in (FIRSTS, SECONDS):
        await asyncio.to_thread(proxy.run, "block", "add", address)
    os.kill(workers.pids[killed], signal.SIGKILL)
    workers = await another(proxy, workers, killed)
    async with asyncio.timeout(10):
        while len(await proxy.ask("block", "list")) < 2:
            await asyncio.sleep(0.02)
    for accepting in (0, 1):
        for address in (FIRSTS, SECONDS):
            with workers.only(accepting):
                assert (await workers.greeted(address))[0].startswith(b"554 ")


async def test_a_reload_is_over_when_both_have_reloaded(proxy):
    workers = await started(proxy, Backend())
    proxy.write_lists(blocked=f"{FIRSTS}\n{SECONDS}\n")
    with workers.only(0):
        proxy.signal(signal.SIGHUP)
        await proxy.hears("RELOADING=1")
        await proxy.says("reloaded in")
        await asyncio.sleep(0.2)
        proxy.told.clear()
        with contextlib.suppress(BlockingIOError):
            while message := proxy.notify.recv(4096):
                assert b"READY=1" not in message
    await proxy.hears("READY=1")
    assert (await proxy.status())["blocked"]["entries"] == 2
    for accepting in (0, 1):
        with workers.only(accepting):
            assert (await workers.greeted(SECONDS))[0].startswith(b"554 ")


async def test_files_that_one_worker_has_not_read_again_show(proxy):
    workers = await started(proxy, Backend())
    proxy.write_lists(blocked="192.0.2.1\n")
    os.kill(workers.pids[0], signal.SIGHUP)  # the first one alone
    await proxy.says("reloaded in")
    file = proxy.lists["blocked"]
    stamp = [file.stat().st_ino, file.stat().st_mtime_ns]
    assert (await proxy.status())["files"][str(file)] != stamp
    proxy.signal(signal.SIGHUP)
    async with asyncio.timeout(10):
        while (await proxy.status())["files"][str(file)] != stamp:
            await asyncio.sleep(0.02)


async def test_a_restart_leaves_sessions_of_both_to_their_end_and_loses_no_client(proxy):
    with socket.create_server(("127.0.0.1", 0), backlog=256) as port25:
        backend = await Backend().start()
        proxy.configure(backend.port, workers=2)
        await proxy.start(sockets=[port25])
        workers = await Workers.of(proxy)
        sessions = [await workers.greeted(address) for address in (FIRSTS, SECONDS)]
        os.kill(workers.pids[1], signal.SIGSTOP)
        reader, writer = await workers.connect(SECONDS)
        await taken(workers.port)  # it is in the second one's box
        proxy.signal(signal.SIGTERM)
        assert await proxy.stopped() == 0
        os.kill(workers.pids[1], signal.SIGCONT)
        assert await reader.readline() == GREETING
        waiting_one = await workers.connect(FIRSTS)
        await proxy.start(sockets=[port25])
        assert await waiting_one[0].readline() == GREETING
        sessions += [(GREETING, reader, writer), (GREETING, *waiting_one)]
        assert (await proxy.status())["sessions"] == 1
        for greeting, reader, writer in sessions:
            assert greeting == GREETING
            writer.write(b"QUIT\r\n")
            assert await reader.read() == b"221 bye\r\n"
            writer.close()
        records = await proxy.written(8)
        assert len({each["session"] for each in records}) == 4
        ended = {each["ended"] for each in records if each["event"] == "session"}
        assert ended == {"upstream_closed"}


async def test_a_worker_told_to_leave_is_replaced_alone(proxy):
    workers = await started(proxy, Backend())
    greeting, reader, writer = await workers.greeted(SECONDS)
    assert greeting == GREETING
    os.kill(workers.pids[1], signal.SIGTERM)
    new = await another(proxy, workers, 1)
    assert new.pids[0] == workers.pids[0]
    for address in (FIRSTS, SECONDS):
        assert (await new.greeted(address))[0] == GREETING
    await asyncio.to_thread(proxy.run, "block", "add", SECONDS)
    with new.only(1):
        assert (await new.greeted(SECONDS))[0].startswith(b"554 ")
    writer.write(b"QUIT\r\n")
    assert await reader.read() == b"221 bye\r\n"


async def test_a_hung_worker_holds_nobody_up_for_long(proxy):
    hasty = (
        "import sender_filter.io.supervisor as s, sender_filter.io.worker as w;"
        "s._HUNG_SECONDS = 0.6; s._TURN_SECONDS = w._PULSE_SECONDS = 0.1"
    )
    workers = await started(proxy, Backend(), change=hasty)
    os.kill(workers.pids[1], signal.SIGSTOP)
    for address in (FIRSTS, SECONDS):
        assert (await asyncio.wait_for(workers.greeted(address), 5))[0] == GREETING
    new = await another(proxy, workers, 1)
    assert new.pids[0] == workers.pids[0]


async def test_a_worker_that_cannot_get_going_is_not_waited_for(proxy):
    broken = (
        "import sender_filter.io.worker as w; work = w.work;"
        "w.work = lambda front, given: 1 if given.replaces else work(front, given)"
    )
    workers = await started(proxy, Backend(), KNOWN_HOSTS, change=broken)
    os.kill(workers.pids[1], signal.SIGKILL)
    await proxy.says("ended with code 1")
    for address in (FIRSTS, SECONDS):
        assert (await asyncio.wait_for(workers.greeted(address), 5))[0] == GREETING
    begin = time.monotonic()
    for command in ["block", "check"] * 10:
        await asyncio.to_thread(ask, proxy, command, SECONDS)
    assert time.monotonic() < begin + 10 * siblings.SIGN_SECONDS


async def test_what_another_gateway_finds_reaches_both_and_is_recorded_once(proxy, server):
    both = KNOWN_HOSTS + '[profiler.spam]\nenabled = "on"\ntotal_messages = 3\nrate_percent = 1\n'
    workers = await started(proxy, Postfix(), f'url = "{server.url}"\n{both}')
    rules = workers_settings(proxy).profiler
    state = Redis(server.url)
    other = Keeper(Profiler(rules, "another gateway"), state, lambda _: None)
    await other.start()
    origins = {owner(each): each for each in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")}
    for number, origin in origins.items():
        other.block(networks.parse(f"127.0.0.{200 + number}")[0], time.time() + 60, "")
        other.seen(Seen(addresses.parse(origin), time.time(), "message"))
    other.turn()
    for origin in origins.values():
        async with asyncio.timeout(10):
            while not (await proxy.ask("profile", origin)).get("figures"):
                await asyncio.sleep(0.05)
        [figures_] = (await proxy.ask("profile", origin))["figures"]
        assert (figures_["bad"], figures_["total"]) == (0, 1)
    for number in (0, 1):
        for accepting in (0, 1):
            with workers.only(accepting):
                greeting = (await workers.greeted(f"127.0.0.{200 + number}"))[0]
                assert greeting.startswith(b"421 ")
    await recorded(proxy, 2, event="block", change="started")
    await other.close()


def workers_settings(proxy):
    return loading.load(proxy.config).config


async def test_what_both_have_counted_outlives_a_kill(proxy):
    rule = '[profiler.spam]\nenabled = "on"\ntotal_messages = 9\nrate_percent = 1\n'
    workers = await started(proxy, Postfix(), KNOWN_HOSTS + rule)
    origins = {owner(each): each for each in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")}
    for origin in origins.values():
        queue_id = (await deliver(workers, 1, origin)).rpartition(" ")[2]
        await scanned(proxy, queue_id)
    async with asyncio.timeout(10):
        while len(kept(proxy)) < 2:
            await asyncio.sleep(0.05)
    proxy.kill()
    await proxy.start()
    for origin in origins.values():
        found = await proxy.ask("profile", origin)
        assert [(row["bad"], row["total"]) for row in found["figures"]] == [(1, 1)]
    assert len((await proxy.ask("profile"))["rows"]) == 2


def kept(proxy):
    """The subjects of which a store has counters that say something."""
    with contextlib.closing(sqlite3.connect(proxy.directory / "state.sqlite")) as db:
        rows = db.execute("SELECT subject, row FROM counts").fetchall()
    return {subject for subject, row in rows if json.loads(row)[4][1]}


# Sums


async def test_metrics_are_those_of_both(proxy):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    workers = await started(proxy, Backend(), f'[metrics]\naddress = "127.0.0.1:{port}"\n')
    for address in (FIRSTS, SECONDS):
        assert (await workers.greeted(address))[0] == GREETING
    text = await figures(port)
    assert 'sender_filter_decisions_total{action="pass",function="none"} 2.0' in text
    assert 'sender_filter_check_seconds_count{function="upstream"} 2.0' in text
    assert "sender_filter_sessions 2.0" in text
    assert "sender_filter_workers 2.0" in text


def test_sessions_not_followed_are_one_figure_whatever_the_reasons():
    unseen = {"tls": 5, "end of data in doubt": 3, "command line too long": 1}
    text = Metrics().text(status(unseen=unseen)).decode()
    assert 'sender_filter_unseen_sessions{why="not followed"} 4.0' in text
    assert 'sender_filter_unseen_sessions{why="tls"} 5.0' in text


async def test_systemd_hears_the_sum(proxy):
    change = "import sender_filter.io.worker as w; w._PULSE_SECONDS = 0.1"
    workers = await started(proxy, Backend(), change=change)
    for address in (FIRSTS, SECONDS):
        assert (await workers.greeted(address))[0] == GREETING
    await proxy.hears("STATUS=2 sessions now, 2 relayed, 0 refused")


async def test_the_inline_front_has_one_worker(proxy):
    proxy.configure(1, workers=2)
    text = proxy.config.read_text()
    inline = f'[inline]\naddress = "127.0.0.1:0"\ncontrol = "{proxy.directory / "control"}"\n'
    proxy.config.write_text(text + inline)
    await proxy.start("--inline")
    assert len((await proxy.status())["workers"]) == 1


async def test_records_of_both_under_load_are_complete_and_apart(proxy):
    proxy.write_lists(blocked="127.0.1.0/24\n")
    workers = await started(proxy, Backend(), LIMITS)

    async def load(number):
        for each in range(25):
            listed = each % 5 == 0
            address = f"127.0.{int(listed)}.{2 + (number * 25 + each) % 250}"
            greeting, reader, writer = await workers.greeted(address)
            assert greeting[:3] == (b"554" if listed else b"220")
            writer.write(b"QUIT\r\n")
            await reader.read()
            writer.close()

    await asyncio.gather(*(load(number) for number in range(8)))
    records = await proxy.written(8 * (5 + 2 * 20))
    decisions = [each for each in records if each["event"] == "decision"]
    assert len({each["session"] for each in decisions}) == len(decisions) == 200
    status = await proxy.status()
    assert (status["relayed"], status["refused"]) == (160, 40)
    assert all(each["relayed"] for each in status["workers"])
