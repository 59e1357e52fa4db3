"""What an operator asks for is answered while mail goes on."""

import asyncio
import time

import pytest

from sender_filter.core import profiler
from sender_filter.core.networks import Network
from sender_filter.core.profiler import CountRow, Profiler
from sender_filter.core.profiler.rules import Rule, Rules
from sender_filter.core.runtime_lists import FOR_EVER, Entry
from sender_filter.io import operator
from sender_filter.io.messages import Request
from sender_filter.io.operator import Operator
from sender_filter.state import Keeper
from sender_filter.state.memory import Memory

MANY = 100_000
RULES = Rules(spam=Rule(enabled="on", total_messages=10**6))


def keeper(addresses):
    """Each address has sent spam: the n-th 1 + n % 1000 messages of it."""
    now = time.time()
    made = Keeper(Profiler(RULES, "mx1"), Memory(), lambda _: None)
    rows = [
        CountRow(Network(4, n, 32), "mx2", 300, int(now) // 300, (1000, 1 + n % 1000, 0, 0, 0, 0))
        for n in range(addresses)
    ]
    made.profiler.merge(rows, now)
    return made


def asked_of(made):
    """An operator who has no lists and whose orders nobody records."""
    return Operator(made, lambda: None, lambda _: None)


class Turns:
    """How much was done of something between two turns of the loop."""

    def __init__(self, monkeypatch, module, name):
        self.done, self.longest, self._before = 0, 0, 0
        original = getattr(module, name)

        def counted(*arguments):
            self.done += 1
            return original(*arguments)

        monkeypatch.setattr(module, name, counted)

    async def watch(self, answer):
        task = asyncio.create_task(answer)
        while not task.done():
            await asyncio.sleep(0)
            self.longest = max(self.longest, self.done - self._before)
            self._before = self.done
        return await task


async def test_the_loop_turns_while_a_hundred_thousand_profiles_are_looked_at(monkeypatch):
    asked = asked_of(keeper(MANY))
    turns = Turns(monkeypatch, profiler, "judge")
    answer = await turns.watch(asked.answer(Request("profile", limit=5)))
    assert turns.done == MANY
    assert turns.longest <= MANY / 500
    assert answer.found == MANY - MANY // 1000 * 200  # up to 20 % is no suspicion
    assert [row.bad for row in answer.rows] == [1000] * 5


async def test_the_loop_turns_while_a_hundred_thousand_entries_are_listed(monkeypatch):
    made = keeper(0)
    for n in range(MANY):
        made.lists.put(Entry(Network(4, n, 32), "operator", 1.0, "block", FOR_EVER), 1.0)
    turns = Turns(monkeypatch, operator, "_entry")
    answer = await turns.watch(asked_of(made).answer(Request("entries")))
    assert len(answer.entries) == turns.done == MANY
    assert turns.longest <= MANY / 500


@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_those_with_the_most_bad_messages_come_first(limit):
    answer = await asked_of(keeper(500)).answer(Request("profile", limit=limit))
    assert [row.bad for row in answer.rows] == list(range(500, 200, -1))[:limit]
    assert answer.found == 300


async def test_what_is_forgotten_meanwhile_is_no_matter():
    made = keeper(500)
    task = asyncio.create_task(asked_of(made).answer(Request("profile", limit=1000)))
    await asyncio.sleep(0)
    made.profiler.forget(Network(4, 0, 0))
    assert len((await task).rows) <= 100
