"""Following the records on this host: nothing is left out and nothing comes twice."""

import asyncio
import json
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from harness import Backend
from hypothesis import given
from hypothesis import strategies as st
from test_records import NOON, TODAY, decision

from sender_filter.core.records import timestamp
from sender_filter.io import record_reader
from sender_filter.io.day_files import DayFiles


def file_of(folder, days_ago=0):
    return folder / f"decisions-{TODAY - timedelta(days=days_ago)}.jsonl"


def line(session):
    record = msgspec.structs.replace(decision(NOON), session=session)
    return msgspec.json.encode(record) + b"\n"


def follow(folder, cursor="start", limit=1000):
    """The sessions that are found until there is nothing more, and where that was."""
    found, skipped = [], 0
    while True:
        page = record_reader.read(folder, cursor, limit)
        assert len(page.records) <= limit
        found += [each.session for each in page.records]
        skipped += page.skipped
        if not page.more:
            return found, page.cursor, skipped
        assert page.cursor != cursor
        cursor = page.cursor


@given(
    st.lists(st.lists(st.booleans(), max_size=12), min_size=1, max_size=4),
    st.integers(1, 5),
    st.integers(150, 2000),
)
def test_all_is_found_once_and_in_order(days, limit, most_bytes):
    numbers = iter(range(1000))
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_reader, "MOST_BYTES", max(most_bytes, len(line("123"))))
        folder, written = Path(name), []
        for days_ago, lines in enumerate(reversed(days)):
            with file_of(folder, len(days) - 1 - days_ago).open("wb") as file:
                for sound in lines:
                    if sound:
                        written.append(str(next(numbers)))
                        file.write(line(written[-1]))
                    else:
                        file.write(b'{"event":"decisi\n\n')
        found, cursor, skipped = follow(folder, limit=limit)
        assert found == written
        assert skipped == sum(not sound for lines in days for sound in lines)
        with file_of(folder).open("ab") as file:
            file.write(line("new")[:40])
        assert follow(folder, cursor)[0] == []  # not before its line is whole
        with file_of(folder).open("ab") as file:
            file.write(line("new")[40:])
        assert follow(folder, cursor)[0] == ["new"]


def test_from_now_on_only_what_comes_later(tmp_path):
    assert follow(tmp_path, "now")[0] == []
    file_of(tmp_path).write_bytes(line("before"))
    _, cursor, _ = follow(tmp_path, "now")
    DayFiles(tmp_path, 14).append([decision(NOON)])
    assert follow(tmp_path, cursor)[0] == ["s-1"]


def test_a_day_that_is_gone_and_one_that_is_not_there_yet(tmp_path):
    cursor = f"{TODAY - timedelta(days=30)}:4711"
    assert record_reader.read(tmp_path, cursor, 10) == ([], cursor, False, 0)
    file_of(tmp_path, 1).write_bytes(line("yesterday"))
    assert follow(tmp_path, cursor)[0] == ["yesterday"]


def test_a_day_is_not_left_before_it_is_over(tmp_path):
    """Its file may still grow, though the next one has begun."""
    tomorrow = TODAY + timedelta(days=1)
    file_of(tmp_path).write_bytes(line("today"))
    file_of(tmp_path, -1).write_bytes(line("tomorrow"))
    cursor = f"{TODAY}:{len(line('today'))}"
    assert record_reader.read(tmp_path, cursor, 10) == ([], cursor, False, 0)
    assert follow(tmp_path, f"{tomorrow}:0")[0] == ["tomorrow"]


def test_a_day_to_come_from_a_clock_that_was_ahead_stops_nobody(tmp_path):
    file_of(tmp_path, 1).write_bytes(line("yesterday"))
    file_of(tmp_path, -400).write_bytes(line("to come"))
    found, cursor, _ = follow(tmp_path)
    assert found == ["yesterday"]
    _, from_now, _ = follow(tmp_path, "now")
    file_of(tmp_path).write_bytes(line("today"))
    assert follow(tmp_path, cursor)[0] == ["today"]
    assert follow(tmp_path, from_now)[0] == ["today"]


def test_who_waits_in_a_day_to_come_goes_on_today(tmp_path):
    file_of(tmp_path, -400).write_bytes(line("to come"))
    file_of(tmp_path).write_bytes(line("today"))
    assert follow(tmp_path, f"{TODAY + timedelta(days=400)}:17")[0] == ["today"]


def test_a_line_without_end_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(record_reader, "MOST_BYTES", 400)
    file_of(tmp_path).write_bytes(b"x" * 1000 + b"\n" + line("after"))
    found, _, skipped = follow(tmp_path)
    assert found == ["after"]
    assert skipped == 3


@pytest.mark.parametrize("cursor", ["yesterday", "2026-13-01:0", "2026-01-01:-1", "1-1"])
def test_what_is_no_cursor_is_refused(tmp_path, cursor):
    with pytest.raises(ValueError, match=r"cursor|month"):
        record_reader.read(tmp_path, cursor, 10)


async def test_the_control_socket_gives_them(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start()
    reader, writer = await asyncio.open_unix_connection(proxy.directory / "control")

    async def ask(**request):
        writer.write(json.dumps({"command": "records"} | request).encode() + b"\n")
        return json.loads(await reader.readline())

    began = await ask(cursor="now")
    assert (began["answer"], began["records"], began["more"]) == ("records", [], False)
    _, client = await proxy.connect()
    await proxy.written(1)
    answer = await ask(cursor=began["cursor"], limit=1)
    [seen] = answer["records"]
    assert seen["gateway"] == (await proxy.status())["gateway"] != ""
    assert seen["record"]["event"] == "decision"
    assert seen["record"]["time"] <= timestamp(time.time())
    client.close()
    assert "is no cursor" in (await ask(cursor="x"))["error"]
    assert "share no records" in (await ask(fleet=True))["error"]
    writer.close()
