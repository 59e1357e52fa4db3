"""What outlives a process, the same on each store; and what each store is there for."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from key_value import SERVER, Server

from sender_filter.core import addresses, networks
from sender_filter.core.networks import Network
from sender_filter.core.profiler import CountRow, Profiler, Seen
from sender_filter.core.profiler.judgement import Finding
from sender_filter.core.profiler.rules import Rule, Rules
from sender_filter.core.runtime_lists import FOR_EVER, BlockStarted, BlockStopped, Entry
from sender_filter.core.subject import Sender
from sender_filter.state import Keeper, interface, memory
from sender_filter.state.memory import Memory
from sender_filter.state.redis import Redis
from sender_filter.state.shared_records import RecordStream
from sender_filter.state.sqlite import Sqlite

HOST = addresses.parse("192.0.2.1")
[SUBJECT] = networks.parse("192.0.2.1")
RULES = Rules(spam=Rule(enabled="on"))
NET = Network(4, 0xC0000200, 24)
SENDER = Sender.of("192.0.2.1")
"""A mailbox that looks like an address, with whose block its own must not be confused."""


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(memory, "WRITE_SECONDS", 0.05)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request, tmp_path):
    """Makes a store as a restarted process would, with the same contents."""
    if request.param == "redis":
        url = request.getfixturevalue("server").url
        return lambda: Redis(url)
    if request.param == "sqlite":
        return lambda: Sqlite(tmp_path / "state.db")
    kept = Memory()
    return lambda: kept


class Gateway:
    """A keeper and what it has recorded."""

    def __init__(self, state, source="mx1", rules=RULES, clock=time.time):
        self.records = []
        self.state = state
        self.keeper = Keeper(Profiler(rules, source), state, self.records.append, clock)

    async def __aenter__(self):
        await self.keeper.start()
        return self

    async def __aexit__(self, *error):
        await self.keeper.close()

    def feed(self, kind, times, host=HOST):
        for _ in range(times):
            self.keeper.seen(Seen(host, time.time(), kind))
        self.keeper.turn()

    def figures(self):
        return [(f.bad, f.total) for f in self.keeper.profiler.look(HOST, time.time())]

    def blocked(self, address=HOST):
        return any(self.keeper.lists.blocks(address, time.time()))

    def approval(self, address=HOST):
        """Which network, for how many minutes, and why."""
        found = self.keeper.lists.approval(address, time.time())
        if found is None:
            return None
        return found.network, round((found.until - time.time()) / 60), found.comment

    def known(self, address=HOST):
        return self.keeper.known.known(address, time.time()) is not None

    def throttle(self, whom, seconds=600):
        now = time.time()
        self.keeper.put(Entry(whom, "throttling", now, "block", now + seconds, "too many"))

    def throttled(self):
        return self.keeper.lists.sender_block(SENDER, time.time()) is not None


async def until(true):
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come true in ten seconds")


async def test_counters_go_on_after_a_restart(store):
    async with Gateway(store(), "mx1/1") as before:
        before.feed("message", 60)
        before.feed("spam", 60)
    async with Gateway(store(), "mx1/2") as after:
        assert after.figures() == [(60, 60)]
        after.feed("spam", 40)
        after.feed("message", 41)
        assert [type(r) for r in after.records] == [BlockStarted]
        assert after.records[0].entry.comment == "spam: 100 of 101 in 1 h, 99.0 %"
    async with Gateway(store(), "mx1/3") as later:
        assert later.figures() == [(100, 101)]


async def test_a_block_goes_on_after_a_restart_and_is_not_recorded_twice(store):
    async with Gateway(store()) as before:
        before.keeper.block(SUBJECT, FOR_EVER, "by hand")
        before.keeper.block(Network(6, 0x20010DB8 << 96, 32), time.time() + 60, "for a while")
        assert await before.state.flush()
        assert len(before.records) == 2
    async with Gateway(store(), "mx1/2") as after:
        assert after.blocked()
        assert after.blocked(addresses.parse("2001:db8::1"))
        assert {e.comment for e in after.keeper.lists} == {"by hand", "for a while"}
        assert after.records == []


async def test_a_block_that_is_over_is_recorded_once_and_forgotten(store):
    async with Gateway(store()) as before:
        before.keeper.block(SUBJECT, time.time() + 0.2, "")
    await asyncio.sleep(0.25)
    async with Gateway(store(), clock=lambda: time.time() - 0.2) as after:
        assert len(after.keeper.lists) == 1
        await asyncio.sleep(0.2)
        after.keeper.turn()
        assert [(type(r), r.why) for r in after.records] == [(BlockStopped, "over")]
    async with Gateway(store(), clock=lambda: time.time() - 3600) as later:
        assert len(later.keeper.lists) == 0


async def test_an_unblocked_address_stays_unblocked_and_its_past_forgotten(store):
    async with Gateway(store(), "mx1/1") as before:
        before.feed("message", 200)
        before.feed("spam", 100)
        assert before.blocked()
        bucket = int(time.time()) // 300 - 1
        left_over = CountRow(SUBJECT, "mx9", 300, bucket, (50, 50, 0, 0, 0, 0))
        before.state.put_counts([left_over])
        assert before.keeper.unblock(SUBJECT)
        assert not before.keeper.unblock(SUBJECT)
        assert not before.blocked()
        assert [type(r) for r in before.records] == [BlockStarted, BlockStopped]
        before.feed("message", 1)
        assert not before.blocked()
    async with Gateway(store(), "mx1/2") as after:
        after.feed("message", 1)
        assert not after.blocked()
        assert after.figures() == []


async def test_an_approval_takes_the_block_away_and_is_kept(store):
    async with Gateway(store()) as before:
        before.keeper.block(SUBJECT, FOR_EVER, "")
        before.keeper.approve(SUBJECT, FOR_EVER, "a partner")
        assert not before.blocked()
    async with Gateway(store()) as after:
        assert after.keeper.lists.approval(HOST, time.time()).comment == "a partner"
        assert not after.blocked()


async def test_an_approval_of_a_network_keeps_its_end_and_its_comment(store):
    async with Gateway(store()) as before:
        before.keeper.approve(NET, time.time() + 3600, "a partner")
        assert before.approval() == (NET, 60, "a partner")
    async with Gateway(store()) as after:
        assert after.approval() == (NET, 60, "a partner")
        after.keeper.unblock(NET)
    async with Gateway(store()) as later:
        assert later.approval() is None


async def test_an_approval_of_a_network_leaves_those_inside_alone(store):
    other = addresses.parse("192.0.2.9")
    async with Gateway(store()) as gateway:
        gateway.keeper.approve(SUBJECT, FOR_EVER, "for good")
        gateway.keeper.block(Network(4, other.value, 32), FOR_EVER, "an old one")
        gateway.keeper.approve(NET, time.time() + 3600, "for an hour")
        assert not gateway.blocked(other)
        assert gateway.keeper.lists.approval(HOST, time.time()).comment == "for good"
        assert gateway.approval(other) == (NET, 60, "for an hour")
        assert gateway.keeper.unblock(NET)  # that means all of it
        assert gateway.approval() is None
        assert gateway.approval(other) is None


async def test_a_block_that_the_store_tells_later_is_over_if_it_was_taken_back(store):
    async with Gateway(store()) as gateway:
        before = time.time() - 60
        assert not gateway.keeper.unblock(SUBJECT)
        for who in ("operator", "profiler", "throttling"):
            gateway.keeper.entries_came([Entry(SUBJECT, who, before, "block", FOR_EVER)])
        assert not gateway.blocked()
        assert not gateway.keeper.forget(SUBJECT)
        assert [entry.who for entry in gateway.keeper.known] == ["operator"]


async def test_a_senders_block_goes_on_after_a_restart_and_stops_with_a_record(store):
    async with Gateway(store()) as before:
        before.throttle(SENDER)
        before.throttle(SUBJECT, 300)
        assert [type(r) for r in before.records] == [BlockStarted] * 2
    async with Gateway(store(), clock=lambda: time.time() + 601) as after:
        assert len(after.keeper.lists) == 0
    async with Gateway(store()) as after:
        assert after.throttled()
        assert after.blocked()
        after.keeper.unblock(SUBJECT)
        assert after.throttled()
        assert after.keeper.unblock(SENDER)
        assert [(str(r.entry.network), r.why) for r in after.records] == [
            ("192.0.2.1", "removed"), ("<192.0.2.1>", "removed"),
        ]  # fmt: skip
    async with Gateway(store()) as later:
        assert not later.throttled()


async def test_an_older_version_of_an_entry_does_not_replace_a_later_one(store):
    now = time.time()
    late, early = (Entry(SUBJECT, "operator", now + n, "block", comment=str(n)) for n in (2, 1))
    async with Gateway(store()) as gateway:
        gateway.state.put_entry(late)
        assert await gateway.state.flush()
        gateway.state.put_entry(early)
        gateway.state.drop_entry(early._replace(network=Network(4, 0, 0)))
        assert await gateway.state.flush()
    async with Gateway(store()) as after:
        assert [e.comment for e in after.keeper.lists] == ["2"]


async def test_writing_twice_counts_once(store):
    async with Gateway(store(), "mx1/1") as before:
        before.feed("spam", 7)
        before.feed("message", 7)
        for _ in range(3):
            before.state.put_counts(before.keeper.own_counts())
            assert await before.state.flush()
    async with Gateway(store(), "mx1/2") as after:
        assert after.figures() == [(7, 7)]


async def test_a_shadow_rule_blocks_nobody(store):
    shadow = Rules(spam=Rule(enabled="shadow", total_messages=1))
    async with Gateway(store(), rules=shadow) as gateway:
        gateway.feed("message", 5)
        gateway.feed("spam", 5)
        assert [type(r) for r in gateway.records] == [Finding]
        assert not gateway.blocked()


async def test_a_block_in_force_is_not_shortened_by_the_rule_that_made_it(store):
    async with Gateway(store()) as gateway:
        now = time.time()
        assert gateway.keeper.put(Entry(SUBJECT, "throttling", now, "block", now + 60))
        assert not gateway.keeper.put(Entry(SUBJECT, "throttling", now + 1, "block", now + 50))
        assert gateway.keeper.put(Entry(SUBJECT, "throttling", now + 1, "block", now + 90))


async def test_the_event_loop_does_not_wait_for_the_store(store):
    """Twenty thousand rows are being written while a timer goes on."""
    async with Gateway(store()) as gateway:
        bucket = int(time.time()) // 300
        rows = [
            CountRow(Network(4, n, 32), "mx1", 300, bucket, (1, 0, 0, 0, 0, 0))
            for n in range(20_000)
        ]
        gateway.state.put_counts(rows)
        writing = asyncio.create_task(gateway.state.flush())
        worst, began = 0.0, time.perf_counter()
        while not writing.done():
            start = time.perf_counter()
            await asyncio.sleep(0.005)
            worst = max(worst, time.perf_counter() - start)
        assert await writing
        # Who waited for the store would have waited for nearly all of it.
        assert worst < max(0.5, (time.perf_counter() - began) / 2)


async def test_known_hosts_outlive_a_restart_beside_what_else_is_said_of_the_network(store):
    async with Gateway(store()) as before:
        before.keeper.know(NET, FOR_EVER, "our relays", "alice")
        before.keeper.approve(NET, time.time() + 3600, "never refused")
        assert await before.state.flush()
        assert before.records == []  # no client is blocked by it, or no longer
    async with Gateway(store(), "mx1/2") as after:
        [entry] = after.keeper.known
        assert (entry.comment, entry.author, entry.kind) == ("our relays", "alice", "known")
        assert after.approval() == (NET, 60, "never refused")
        after.keeper.unblock(NET)
        assert after.known()
        assert after.keeper.forget(NET, "bob")
        assert not after.keeper.forget(NET, "bob")
        assert await after.state.flush()
    async with Gateway(store(), "mx1/3") as later:
        assert not later.known()
        assert later.approval() is None


async def test_known_hosts_end_by_themselves(store):
    now = time.time()
    clock = [now]
    async with Gateway(store(), clock=lambda: clock[0]) as gateway:
        gateway.keeper.know(NET, now + 60, "for a while")
        gateway.keeper.turn()
        assert len(gateway.keeper.known) == 1
        clock[0] += 61
        gateway.keeper.turn()
        assert len(gateway.keeper.known) == 0
        assert await gateway.state.flush()
    async with Gateway(store(), "mx1/2") as after:
        assert len(after.keeper.known) == 0


# Two at once


@pytest.fixture(params=["sqlite", "redis"])
def shared(request, tmp_path):
    if request.param == "redis":
        url = request.getfixturevalue("server").url
        return lambda: Redis(url)
    return lambda: Sqlite(tmp_path / "state.db")


async def test_a_source_blocked_here_is_blocked_there_and_unblocked_again(shared):
    async with Gateway(shared(), "mx1") as one, Gateway(shared(), "mx2") as two:
        one.feed("message", 200)
        one.feed("spam", 100)
        start = time.monotonic()
        await until(two.blocked)
        assert time.monotonic() - start < 3
        assert [type(r) for r in two.records] == [BlockStarted]
        two.keeper.unblock(SUBJECT)
        await until(lambda: not one.blocked())
        assert [type(r) for r in one.records] == [BlockStarted, BlockStopped]
        assert one.figures() == []


async def test_an_approval_here_is_one_there_until_it_is_taken_back(shared):
    async with Gateway(shared(), "mx1") as one, Gateway(shared(), "mx2") as two:
        two.feed("message", 200)
        two.feed("spam", 100)
        assert two.blocked()
        await until(one.blocked)
        one.keeper.approve(NET, time.time() + 3600, "a partner")
        await until(lambda: two.approval() == (NET, 60, "a partner") and not two.blocked())
        assert two.figures() == []
        two.keeper.unblock(NET)
        await until(lambda: one.approval() is None)


async def test_a_known_host_here_is_one_there_until_it_is_taken_back(shared):
    async with Gateway(shared(), "mx1") as one, Gateway(shared(), "mx2") as two:
        one.keeper.know(NET, FOR_EVER, "our relays", "alice")
        await until(two.known)
        two.keeper.forget(NET)
        await until(lambda: not one.known())


async def test_a_sender_blocked_here_is_blocked_there_and_unblocked_again(shared):
    async with Gateway(shared(), "mx1") as one, Gateway(shared(), "mx2") as two:
        one.throttle(SENDER)
        await until(two.throttled)
        assert not two.blocked()
        assert [type(r) for r in two.records] == [BlockStarted]
        two.keeper.unblock(SENDER)
        await until(lambda: not one.throttled())


async def test_what_two_have_counted_adds_up(shared):
    async with Gateway(shared(), "mx1") as one, Gateway(shared(), "mx2") as two:
        for gateway in (one, two):
            gateway.feed("spam", 60)
            gateway.feed("message", 60)
        await until(lambda: one.figures() == two.figures() == [(120, 120)])
        two.feed("message", 1)
        assert two.blocked()
        await until(lambda: one.figures() == [(120, 121)])


# Redis


async def test_gateways_go_on_alone_without_the_server_and_agree_afterwards(server):
    async with Gateway(Redis(server.url), "mx1") as one, Gateway(Redis(server.url), "mx2") as two:
        one.feed("message", 30)
        one.feed("spam", 30)
        await until(lambda: two.figures() == [(30, 30)])
        server.stop()
        one.keeper.block(*networks.parse("198.51.100.0/24"), FOR_EVER, "while apart")
        two.keeper.block(*networks.parse("203.0.113.0/24"), FOR_EVER, "while apart")
        for gateway in (one, two):
            gateway.feed("message", 10)
            gateway.feed("spam", 10)
        await until(lambda: one.state.problem and two.state.problem)
        assert not await one.state.flush()
        assert (one.figures(), two.figures()) == ([(40, 40)], [(40, 40)])
        server.start()  # with nothing in it
        await until(lambda: one.figures() == two.figures() == [(50, 50)])
        await until(lambda: len(one.keeper.lists) == len(two.keeper.lists) == 2)
        assert await one.state.flush()
    async with Gateway(Redis(server.url), "mx3") as three:
        assert three.figures() == [(50, 50)]
        assert len(three.keeper.lists) == 2


async def test_a_block_taken_back_while_apart_does_not_return(server):
    async with Gateway(Redis(server.url), "mx1") as one, Gateway(Redis(server.url), "mx2") as two:
        one.keeper.block(SUBJECT, FOR_EVER, "")
        await until(two.blocked)
        server.stop()
        await until(lambda: one.state.problem and two.state.problem)
        one.keeper.unblock(SUBJECT)
        server.start()
        await until(lambda: not two.blocked())
        assert not one.blocked()


async def test_approvals_and_senders_blocks_made_while_apart_are_merged(server):
    async with Gateway(Redis(server.url), "mx1") as one, Gateway(Redis(server.url), "mx2") as two:
        server.stop()
        await until(lambda: one.state.problem and two.state.problem)
        one.keeper.approve(NET, time.time() + 3600, "a partner")
        two.throttle(SENDER)
        two.keeper.block(SUBJECT, FOR_EVER, "it approves first")
        server.start()  # with nothing in it
        await until(lambda: two.approval() == one.approval() == (NET, 60, "a partner"))
        await until(lambda: one.throttled() and two.throttled())
        await until(one.blocked)


async def test_a_start_without_the_server_is_no_obstacle(tmp_path):
    async with Gateway(Redis(f"unix://{tmp_path}/none")) as gateway:
        gateway.keeper.block(SUBJECT, FOR_EVER, "")
        assert gateway.blocked()
        assert "none" in gateway.state.problem


async def test_a_server_that_hangs_holds_nobody_up(server, monkeypatch):
    monkeypatch.setattr("sender_filter.state.client.ANSWER_SECONDS", 1)
    monkeypatch.setattr("sender_filter.state.redis._BLOCK_MILLIS", 100)
    async with Gateway(Redis(server.url)) as gateway:
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            start = time.perf_counter()
            gateway.feed("message", 100)
            assert time.perf_counter() - start < 1
            await until(lambda: gateway.state.problem)
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        await until(lambda: gateway.state.problem is None)


async def test_what_others_write_there_is_not_believed_blindly(server, caplog):
    state = Redis(server.url)
    async with Gateway(state) as gateway:
        client = state._client
        await client.hset("sender-filter:entries", "x", "{")
        await client.hset("sender-filter:entries", "y", '{"network":"192.0.2.1/24"}')
        await client.xadd("sender-filter:changes", {"rows": b"[1]\n\xff", "entry": "[]"})
        await client.xadd("sender-filter:changes", {"other": "x"})
        await until(lambda: len(caplog.messages) >= 3)
        gateway.keeper.block(SUBJECT, FOR_EVER, "")
        assert await state.flush()
    async with Gateway(Redis(server.url)) as after:
        assert after.blocked()


async def test_everything_there_but_the_entries_ends_by_itself(server):
    state = Redis(server.url)
    async with Gateway(state) as gateway:
        gateway.feed("message", 1)
        assert await state.flush()
        [key] = await state._client.keys("sender-filter:counts:*")
        assert 3600 < await state._client.ttl(key) <= 3900
        for n in range(interface.MOST_WAITING // 200 + 300):
            await state._client.xadd("sender-filter:changes", {"n": n}, maxlen=1000)
        assert await state._client.xlen("sender-filter:changes") <= 1200


async def test_a_password_is_used_and_never_logged(tmp_path, caplog):
    if SERVER is None:
        pytest.skip("neither valkey-server nor redis-server is installed")
    locked = Server(tmp_path, "--requirepass", "s3cret")
    locked.start()
    try:
        async with Gateway(Redis(f"{locked.url}?password=s3cret")) as gateway:
            gateway.keeper.block(SUBJECT, FOR_EVER, "")
            assert await gateway.state.flush()
        async with Gateway(Redis(f"{locked.url}?password=wr0ng")) as gateway:
            assert gateway.state.problem
    finally:
        locked.stop()
    assert "s3cret" not in caplog.text
    assert "wr0ng" not in caplog.text


@pytest.mark.parametrize(
    "url",
    ["redis://:s3cret/x@127.0.0.1", "s3cret://", "redis://:p@[s3cret]/0", "rediss://\u2100s3cret"],
)
async def test_an_address_that_cannot_be_read_is_not_quoted(caplog, url):
    async with Gateway(Redis(url)) as gateway:
        assert "state.url cannot be read" in gateway.state.problem
        assert "s3cret" not in gateway.state.problem
    with pytest.raises(OSError, match=r"state\.url cannot be read") as caught:
        RecordStream(url, "mx1")
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in caplog.text


# SQLite

WRITER = """
import asyncio, sys, time
from pathlib import Path
from sender_filter.core import networks
from sender_filter.core.profiler import Profiler
from sender_filter.core.profiler.rules import Rules
from sender_filter.state import Keeper
from sender_filter.state.sqlite import Sqlite

async def main():
    state = Sqlite(Path(sys.argv[1]))
    keeper = Keeper(Profiler(Rules(), "mx1"), state, lambda _: None)
    await keeper.start()
    for n in range(10**6):
        keeper.block(networks.parse(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")[0], 4e9, "")
        await state.flush()
        print(n, flush=True)

asyncio.run(main())
"""


async def test_kill_9_loses_no_block_that_was_waited_for(tmp_path):
    path = tmp_path / "state.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, path],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(memory.__file__).parents[2])},
    )
    for _ in range(20):
        writer.stdout.readline()
    writer.kill()
    last = int((b"19\n" + writer.stdout.read()).split()[-1])
    writer.wait()
    async with Gateway(Sqlite(path)) as after:
        assert after.state.problem is None
        assert len(after.keeper.lists) >= last + 1 >= 20
    assert not path.with_name("state.db.damaged").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"this is no database " * 500),
        lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xa5" * 40_000),
        lambda path: sqlite3.connect(path).execute("PRAGMA user_version = 99"),
    ],
    ids=["no database", "overwritten", "of another version"],
)
async def test_a_file_that_cannot_be_used_is_moved_aside(tmp_path, caplog, spoil):
    path = tmp_path / "state.db"
    async with Gateway(Sqlite(path)) as gateway:
        for n in range(100):
            gateway.keeper.block(Network(4, n, 32), FOR_EVER, "x" * 100)
        assert await gateway.state.flush()
    await until(lambda: not path.with_name("state.db-wal").exists())
    spoil(path)
    async with Gateway(Sqlite(path)) as gateway:
        assert len(gateway.keeper.lists) == 0
        gateway.keeper.block(SUBJECT, FOR_EVER, "")
        assert await gateway.state.flush()
    assert path.with_name("state.db.damaged").exists()
    assert "a new one begins" in caplog.text
    async with Gateway(Sqlite(path)) as gateway:
        assert gateway.blocked()


async def test_a_file_that_is_damaged_in_use_is_replaced_with_nothing_lost(tmp_path):
    path = tmp_path / "state.db"
    async with Gateway(Sqlite(path)) as gateway:
        gateway.keeper.block(SUBJECT, FOR_EVER, "")
        assert await gateway.state.flush()
        gateway.state._file._damaged = True
        gateway.state._connected = False
        gateway.state.problem = "as a failed write leaves it"
        assert await gateway.state.flush()
    async with Gateway(Sqlite(path)) as after:
        assert after.blocked()


async def test_a_file_that_is_locked_is_waited_for_and_not_moved(tmp_path, monkeypatch):
    path = tmp_path / "state.db"
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **(k | {"timeout": 0.1})))
    async with Gateway(Sqlite(path)) as gateway:
        over = Entry(SUBJECT, "profiler", 1, "block", time.time() - 1)
        gateway.state.put_entry(over)
        assert await gateway.state.flush()
        other = connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        gateway.keeper.block(SUBJECT, FOR_EVER, "")
        gateway.state.drop_entry(over)
        await until(lambda: gateway.state.problem)
        assert "locked" in gateway.state.problem
        other.execute("ROLLBACK")
        await until(lambda: gateway.state.problem is None)
        [count] = other.execute("SELECT count(*) FROM entries").fetchone()
        assert count == 1
        other.close()
    assert not path.with_name("state.db.damaged").exists()


async def test_a_folder_that_is_not_there_is_no_obstacle(tmp_path):
    path = tmp_path / "later" / "state.db"
    async with Gateway(Sqlite(path)) as gateway:
        gateway.keeper.block(SUBJECT, FOR_EVER, "")
        assert "unable to open" in gateway.state.problem
        path.parent.mkdir()
        await until(lambda: gateway.state.problem is None)
    async with Gateway(Sqlite(path)) as after:
        assert after.blocked()


async def test_the_file_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("sender_filter.state.sqlite.MOST_ROWS", 50)
    monkeypatch.setattr("sender_filter.state.sqlite.PURGE_SECONDS", 0)
    path, bucket = tmp_path / "state.db", int(time.time()) // 300
    async with Gateway(Sqlite(path)) as gateway:
        for n in range(200):
            row = CountRow(Network(4, n, 32), "mx1", 300, bucket, (1, 0, 0, 0, 0, 0))
            gateway.state.put_counts([row, row._replace(bucket=bucket - 14)])
            await gateway.state.flush()
        gateway.state.put_entry(Entry(SUBJECT, "profiler", 1, "block", time.time() - 90_000))
        await gateway.state.flush()
    db = sqlite3.connect(path)
    rows = [r for (r,) in db.execute("SELECT subject FROM counts ORDER BY written")]
    assert rows == [str(Network(4, n, 32)) for n in range(150, 200)]
    assert db.execute("SELECT count(*) FROM entries").fetchone() == (0,)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


# Text, and what waits

NETWORKS = st.builds(
    lambda value, prefix: Network(4, value >> 32 - prefix << 32 - prefix, prefix),
    st.integers(0, 2**32 - 1),
    st.integers(0, 32),
) | st.integers(0, 2**32 - 1).map(lambda value: Network(6, (0x20010DB8 << 32 | value) << 64, 64))
COUNTS = st.lists(st.integers(0, 2**40), min_size=6, max_size=6).map(tuple)


@given(NETWORKS, st.text(max_size=50), st.integers(1, 10**6), st.integers(0, 2**40), COUNTS)
def test_a_row_is_the_same_after_writing_and_reading(network, source, width, bucket, counts):
    row = CountRow(network, source, width, bucket, counts)
    text = interface.row_to_text(row)
    assert interface.row_from_text(text) == row
    assert b"\n" not in text


@given(NETWORKS, st.floats(0, 4e9), st.sampled_from([FOR_EVER, 5e9]), st.text(max_size=90))
def test_an_entry_is_the_same_after_writing_and_reading(network, since, end, comment):
    entry = Entry(network, "profiler", since, "block", end, comment)
    assert interface.entry_from_text(interface.entry_to_text(entry)) == entry


@given(st.binary(max_size=60))
def test_no_text_makes_reading_fail_otherwise_than_as_announced(text):
    for read in (interface.row_from_text, interface.entry_from_text):
        with contextlib.suppress(ValueError):
            read(text)


def test_what_waits_is_bounded_and_the_last_version_of_it():
    pending = interface.Pending(most=2)
    rows = [CountRow(Network(4, n, 32), "mx1", 300, 1, (n, 0, 0, 0, 0, 0)) for n in range(3)]
    pending.add_rows(rows)
    taken = pending.take()
    assert (list(taken.rows.values()), bool(pending)) == (rows[1:], False)
    newer = rows[2]._replace(counts=(9, 0, 0, 0, 0, 0))
    pending.add_rows([newer])
    pending.give_back(taken)
    assert list(pending.rows.values()) == [rows[1], newer]


def test_far_more_than_may_wait_is_given_up_in_no_time():
    """Time that grew with the square of the number would be minutes."""
    pending = interface.Pending(most=1000)
    rows = [CountRow(Network(4, n, 32), "mx1", 300, 1, (n,)) for n in range(200_000)]
    start = time.process_time()
    pending.add_rows(rows)
    assert time.process_time() - start < 5
    assert list(pending.rows.values()) == rows[-1000:]


def test_what_is_given_back_does_not_replace_what_came_later():
    pending = interface.Pending()
    early, late = (Entry(SUBJECT, "operator", n, "block") for n in (1, 2))
    pending.add_entry(early, over=False)
    taken = pending.take()
    pending.add_entry(late, over=True)
    pending.give_back(taken)
    assert list(pending.entries.values()) == [(late, True)]
