"""What two workers say to each other, here in one process."""

import asyncio
import socket

import pytest
from test_workers import FIRSTS, SECONDS

from sender_filter.core import addresses, networks
from sender_filter.core.profiler.rules import HarvestRule, Rules
from sender_filter.core.runtime_lists import Entry
from sender_filter.core.shares import Shares
from sender_filter.core.smtp.transactions import Transaction
from sender_filter.core.subject import Sender
from sender_filter.io.board import Board
from sender_filter.io.ledger import Ledger
from sender_filter.io.post import Desk, Post
from sender_filter.io.siblings import Siblings
from sender_filter.settings.schema import Config, State


class Worker:
    """One of them, with what it has heard."""

    def __init__(self, number, post, board):
        desk = Desk(number, 2, post._readers[number], post._writers)
        self.siblings = Siblings(desk, board.place(number))
        self.admitted, self.entries, self.known, self.deeds = [], [], [], []
        self.siblings.listen(self, self.admit, lambda _: None)

    def admit(self, connection, peer):
        self.admitted.append(peer)
        connection.close()

    def entries_told(self, entries):
        self.entries += entries

    def own_entries(self):
        return self.known

    def deeds_told(self, deeds):
        self.deeds += deeds

    def first_is_new(self):
        pass


@pytest.fixture
def board():
    return Board(2)


def both(board):
    post = Post(2)
    return Worker(0, post, board), Worker(1, post, board)


def connection():
    ours, theirs = socket.socketpair()
    theirs.close()
    return ours


def entry(number):
    network = networks.parse(f"198.{number // 65536}.{number // 256 % 256}.{number % 256}")[0]
    return Entry(network, "operator", float(number), "block", comment="x" * 100)


async def test_a_client_is_passed_on_to_the_one_it_belongs_to(board):
    one, other = both(board)
    peer = (SECONDS, 25)
    assert not one.siblings.pass_on(connection(), (FIRSTS, 25), addresses.parse(FIRSTS))
    assert one.siblings.pass_on(connection(), peer, addresses.parse(SECONDS))
    await one.siblings.caught_up()
    assert other.admitted == [peer]
    board.failing(1, fails=True)
    assert not one.siblings.pass_on(connection(), peer, addresses.parse(SECONDS))


async def test_who_leaves_hears_what_was_passed_on_until_the_other_knew(board):
    one, other = both(board)
    leaving = asyncio.create_task(other.siblings.leave())
    await asyncio.sleep(0)  # it has said so, and nobody has heard it yet
    assert one.siblings.pass_on(connection(), (SECONDS, 1), addresses.parse(SECONDS))
    await leaving
    assert other.admitted == [(SECONDS, 1)]
    assert not one.siblings.pass_on(connection(), (SECONDS, 2), addresses.parse(SECONDS))


async def test_more_entries_than_a_box_holds_arrive_all_the_same(board):
    one, other = both(board)
    one.known = [entry(number) for number in range(20_000)]
    for each in one.known:  # the other one hears nothing meanwhile
        one.siblings.share(each)
    async with asyncio.timeout(20):
        while set(other.entries) != set(one.known):
            await asyncio.sleep(0.01)


async def test_a_message_to_many_recipients_is_counted_whole(board, tmp_path):
    one, other = both(board)
    config = Config(
        state=State(file=str(tmp_path / "state")),
        profiler=Rules(harvest=HarvestRule(enabled="on", total_messages=10_000)),
    )
    ledger = Ledger(config, lambda _: None, one.siblings)
    client = addresses.parse(SECONDS)
    ledger.transaction(
        client, client, Transaction("a@example.test", [True] * 3000, "neither", None)
    )
    await one.siblings.caught_up()
    assert len(other.deeds) == 3000
    assert [each.first for each in other.deeds].count(True) == 1
    assert other.deeds[0][:1] == (client,)


async def test_who_is_full_of_letters_is_told_of_a_successor_all_the_same(board):
    one, other = both(board)
    other.known = [entry(1)]
    asyncio.get_running_loop().remove_reader(other.siblings._desk.box)
    while one.siblings.tell_sent(sender_of(1)):
        pass
    one.siblings.arrive()
    await asyncio.sleep(0.1)
    while other.siblings._desk.take():
        pass
    asyncio.get_running_loop().add_reader(other.siblings._desk.box, other.siblings._hear)
    async with asyncio.timeout(5):
        while one.entries != other.known:
            await asyncio.sleep(0.01)


def sender_of(worker):
    senders = (Sender(f"{number}@example.test") for number in range(100))
    return next(each for each in senders if Shares(2).of(each) == worker)


async def test_a_successor_is_told_all_entries_and_an_old_sign_is_none_of_its(board):
    one, other = both(board)
    one.known = [entry(1), entry(2)]
    other.siblings.arrive()
    await other.siblings.caught_up()
    async with asyncio.timeout(5):
        while other.entries != one.known:
            await asyncio.sleep(0.01)
