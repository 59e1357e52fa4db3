"""The store of several workers: the first one keeps for all, until somebody leaves."""

import asyncio
import subprocess
import sys
import time

import pytest

from sender_filter.core import addresses, networks
from sender_filter.core.profiler import CountRow, Profiler
from sender_filter.core.profiler.rules import Rules
from sender_filter.core.runtime_lists import Entry
from sender_filter.core.subject import Subjects
from sender_filter.state import Keeper, sqlite
from sender_filter.state import through as through_module
from sender_filter.state.memory import Memory
from sender_filter.state.through import Through


class Store:
    """A store that says what it is given, and may be away."""

    def __init__(self):
        self.problem, self.rows, self.entries, self.open = None, [], [], 0

    async def start(self, _listener):
        self.open += 1

    async def close(self):
        self.open -= 1

    async def flush(self):
        return self.problem is None

    def put_counts(self, rows):
        self.rows += rows

    def put_entry(self, entry):
        self.entries.append(entry)


class Listening:
    """Has some rows."""

    def __init__(self, rows):
        self.rows = rows

    def own_counts(self):
        return self.rows


class Follower:
    """The part of a worker that is not the first."""

    leads = False

    def share(self, entry):
        raise AssertionError(entry)

    def mine(self, rows):
        return list(rows)


async def test_what_comes_from_the_store_is_the_first_workers_to_record_and_to_tell():
    recorded = []
    state = Memory()
    keeper = Keeper(Profiler(Rules(), "x"), state, recorded.append, colleagues=Follower())
    await keeper.start()
    keeper.entries_came([entry(1)])
    assert len(keeper.lists) == 1
    assert recorded == []
    await keeper.close()


def row(number):
    subject = Subjects().of(addresses.parse("192.0.2.1"))
    return CountRow(subject, "a worker", 300, number, (1, 0, 0, 0, 0, 0))


def entry(number):
    return Entry(networks.parse(f"192.0.2.{number}")[0], "profiler", time.time(), "block")


async def test_rows_that_the_first_worker_cannot_be_told_wait_for_the_next_time():
    told, full = [], True

    def keep(rows):
        rows = list(rows)
        if full:
            return rows
        told.extend(rows)
        return []

    store = Store()
    through = Through(store, keep)
    await through.start(Listening([row(1), row(2), row(3)]))
    through.put_counts([row(1)])
    assert told == []
    full = False
    through.put_counts([row(2)])
    assert told == [row(1), row(2)]
    through.first_is_new()
    assert told[2:] == [row(1), row(2), row(3)]
    await asyncio.sleep(0)
    assert (store.open, store.rows) == (0, [])


async def test_who_leaves_keeps_by_itself_what_the_first_worker_may_not_have_heard():
    store = Store()
    through = Through(store, list)
    await through.start(Listening([]))
    through.put_counts([row(1)])
    through.put_entry(entry(1))
    assert (store.rows, store.entries) == ([], [])
    through.part()
    through.put_counts([row(2)])
    through.put_entry(entry(2))
    await through.close()
    assert store.rows == [row(1), row(2)]
    assert [str(each.network) for each in store.entries] == ["192.0.2.1", "192.0.2.2"]
    assert store.open == 0


async def test_a_store_that_was_away_at_the_start_is_let_go_when_it_was_read(monkeypatch):
    monkeypatch.setattr(through_module, "_AGAIN_SECONDS", 0.01)
    store = Store()
    store.problem = "away"
    through = Through(store, list)
    await through.start(Listening([]))
    await asyncio.sleep(0.05)
    assert store.open == 1
    store.problem = None
    async with asyncio.timeout(5):
        while store.open:
            await asyncio.sleep(0.01)
    store.problem = "away again"
    assert through.problem is None  # the first worker's is what counts


def test_four_processes_begin_one_file(tmp_path):
    program = (
        "import sys; from pathlib import Path; from sender_filter.state import sqlite;"
        "sys.stdin.read(1); sqlite._open(Path(sys.argv[1]))"
    )
    for number in range(5):
        command = [sys.executable, "-c", program, str(tmp_path / f"{number}.sqlite")]
        many = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]
        for each in many:
            each.stdin.close()
        assert [each.wait(20) for each in many] == [0] * 4


def test_only_one_process_puts_a_damaged_file_aside(tmp_path):
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(sqlite._DamagedError):
        sqlite._File(path, repairs=False).open()
    assert path.exists()
    assert sqlite._File(path, repairs=True).open() == ([], [])
    assert sqlite._File(path, repairs=False).open() == ([], [])
    assert (tmp_path / "state.sqlite.damaged").exists()
