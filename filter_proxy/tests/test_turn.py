"""What is left to be done in a turn of the event loop."""

import asyncio

from sender_filter.io.turn import Turn


async def test_it_is_done_when_all_that_has_happened_was_looked_at():
    turn, done = Turn(), []
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: turn.at_end(lambda: done.append("said to one")))
    loop.call_soon(lambda: done.append("heard one"))
    loop.call_soon(lambda: turn.at_end(lambda: done.append("said to another")))
    loop.call_soon(lambda: done.append("heard another"))
    await asyncio.sleep(0.01)
    assert done == ["heard one", "heard another", "said to one", "said to another"]


async def test_what_is_added_at_the_end_is_the_next_turns():
    turn, done = Turn(), []

    def first():
        done.append("first")
        turn.at_end(lambda: done.append("second"))

    turn.at_end(first)
    await asyncio.sleep(0.01)
    assert done == ["first", "second"]


async def test_what_fails_is_not_the_others_trouble(caplog):
    turn, done = Turn(), []
    turn.at_end(lambda: 1 // 0)
    turn.at_end(lambda: done.append("said"))
    await asyncio.sleep(0.01)
    assert done == ["said"]
    assert "ZeroDivisionError" in caplog.text
