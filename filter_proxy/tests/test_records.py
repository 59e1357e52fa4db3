"""Records on disk: a file a day, kept so long, never in the way; and the command that searches."""

import asyncio
import errno
import json
import os
import signal
import stat
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from harness import Backend

from sender_filter.core.records import Check, DecisionRecord, Record, SessionRecord, timestamp
from sender_filter.io import day_files
from sender_filter.io.day_files import DayFiles


def decision(time, address="192.0.2.1", **other):
    fields = {
        "function": "blocked", "action": "permanent", "reply": "554 5.7.1 no",
        "checks": (Check("blocked", address, "match", 1, f"{address} (b.list:1)"),),
    }  # fmt: skip
    return DecisionRecord(time, "s-1", address, 25, "peer", **(fields | other))


def ended(time, address="192.0.2.9"):
    return SessionRecord(time, "s-2", address, 25, 1.5, 10, 20, "client_closed")


TODAY = datetime.now(UTC).date()
NOON = f"{TODAY}T12:00:00.000Z"


def test_each_record_goes_to_the_file_of_its_day_readable_by_the_group(tmp_path):
    files = DayFiles(tmp_path, 14)
    before = f"{TODAY - timedelta(days=1)}T23:59:59.999Z"
    assert files.append([decision(before), ended(NOON), decision(NOON)]) == (0, None)
    files.close()
    [(first, old), (second, new)] = day_files.days(tmp_path)
    assert (first, second) == (TODAY - timedelta(days=1), TODAY)
    assert [len(f.read_text().splitlines()) for f in (old, new)] == [1, 2]
    assert stat.S_IMODE(new.stat().st_mode) == 0o640
    assert msgspec.json.decode(old.read_bytes(), type=Record) == decision(before)


def test_old_days_go_and_other_files_stay(tmp_path):
    for age in range(5):
        (tmp_path / f"decisions-{TODAY - timedelta(days=age)}.jsonl").touch()
    for name in ("decisions-mine.jsonl", "notes"):
        (tmp_path / name).touch()
    DayFiles(tmp_path, 3).append([decision(NOON)])
    assert [day for day, _ in day_files.days(tmp_path)] == [
        TODAY - timedelta(days=age) for age in (2, 1, 0)
    ]
    assert (tmp_path / "decisions-mine.jsonl").exists()
    assert (tmp_path / "notes").exists()


def test_a_file_moved_away_is_made_anew(tmp_path):
    files = DayFiles(tmp_path, 14)
    files.append([decision(NOON)])
    [(_, path)] = day_files.days(tmp_path)
    path.rename(tmp_path / "moved")
    files.append([decision(NOON)])
    assert len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize("room", [0, 40, 250, 100_000])
def test_what_does_not_fit_is_counted_and_tears_one_line_at_most(tmp_path, monkeypatch, room):
    real, left = os.write, room

    def write(file, data):
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(file, data[:left])
        left -= written
        return written

    monkeypatch.setattr(os, "write", write)
    files = DayFiles(tmp_path, 14)
    lost = sum(files.append([decision(NOON)] * 2)[0] for _ in range(3))
    left = 100_000
    assert files.append([decision(NOON)] * 2) == (0, None)
    [(_, path)] = day_files.days(tmp_path)
    whole = 0
    for line in path.read_bytes().splitlines():
        try:
            whole += msgspec.json.decode(line, type=Record) is not None
        except msgspec.DecodeError:
            continue
    assert whole == 8 - lost


async def test_a_full_disk_does_not_stop_the_mail(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start(launcher=["sh", "-c", 'ulimit -f 8; exec "$@"', "sh"])  # 4 KiB a file
    [port] = await proxy.ports()
    for _ in range(30):
        await asyncio.sleep(0.02)  # several batches: one that is cut short, others that fail
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readline() == b"220 backend\r\n"
        writer.close()
    written = 0
    status = await proxy.status()
    while written + status["records_dropped"] < 60:  # a decision and an end each
        await asyncio.sleep(0.05)
        status = await proxy.status()
        [(_, file)] = day_files.days(proxy.records)
        written = file.read_bytes().count(b"\n")
    assert status["records_dropped"] > 0
    assert status["records_error"] in ("File too large", "only a part could be written")
    assert "records are being lost, mail goes on" in proxy.stderr.read_text()
    proxy.signal(signal.SIGTERM)
    assert await proxy.stopped() == 0
    assert "Traceback" not in proxy.stderr.read_text()


async def test_a_stop_writes_every_record(proxy):
    proxy.write_lists(blocked="127.0.0.1 temporary\n")
    proxy.configure(1)
    await proxy.start()
    [port] = await proxy.ports()
    for _ in range(200):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.read()
        writer.close()
    proxy.signal(signal.SIGTERM)
    assert await proxy.stopped() == 0
    assert len(await proxy.written(200)) == 200


@pytest.fixture
def searched(proxy):
    """A log of three days, with a torn line."""
    proxy.configure(1)
    files = DayFiles(proxy.records, 14)
    days = [TODAY - timedelta(days=age) for age in (2, 1, 0)]
    passed = {"function": "none", "action": "pass", "reply": None}
    files.append([
        decision(f"{days[0]}T10:00:00.000Z"),
        decision(f"{days[1]}T10:00:00.000Z", "2001:db8::1", action="temporary"),
        decision(f"{days[1]}T11:00:00.000Z", "192.0.2.9", **passed),
        ended(f"{days[1]}T11:00:01.500Z"),
        decision(timestamp(datetime.now(UTC).timestamp() - 60), "198.51.100.1"),
    ])  # fmt: skip
    with (proxy.records / f"decisions-{days[0]}.jsonl").open("a") as file:
        file.write('{"event":"deci\n')
    return proxy


def numbers(done):
    """Which of the records above were printed, by address and event."""
    return [(r["address"], r["event"]) for r in map(json.loads, done.stdout.splitlines())]


def test_log_shows_all_oldest_first_and_counts_what_it_cannot_read(searched):
    done = searched.run("log", "--json")
    assert [address for address, _ in numbers(done)] == [
        "192.0.2.1", "2001:db8::1", "192.0.2.9", "192.0.2.9", "198.51.100.1",
    ]  # fmt: skip
    assert done.stderr == "1 lines were no records and were skipped\n"


@pytest.mark.parametrize(
    ("options", "addresses"),
    [
        (["--ip", "192.0.2.0/24"], ["192.0.2.1", "192.0.2.9", "192.0.2.9"]),
        (["--ip", "2001:db8::/32"], ["2001:db8::1"]),
        (["--ip", "192.0.2.2-192.0.2.20"], ["192.0.2.9", "192.0.2.9"]),
        (["--function", "blocked"], ["192.0.2.1", "2001:db8::1", "198.51.100.1"]),
        (["--action", "temporary"], ["2001:db8::1"]),
        (["--action", "pass"], ["192.0.2.9"]),
        (["--since", "2h"], ["198.51.100.1"]),
        (["--since", "{yesterday}T10:00", "--until", "{yesterday}T11:00:00"], ["2001:db8::1"]),
        (["--until", "{yesterday}"], ["192.0.2.1"]),
        (["--since", "{yesterday}T13:00+02:00", "--until", "{yesterday}T11:00:01Z"], ["192.0.2.9"]),
    ],
)
def test_log_searches(searched, options, addresses):
    yesterday = TODAY - timedelta(days=1)
    options = [option.format(yesterday=yesterday) for option in options]
    assert [a for a, _ in numbers(searched.run("log", "--json", *options))] == addresses


def test_log_for_people_is_one_safe_line_a_record(proxy):
    proxy.configure(1)
    evil = decision(NOON, reply="554 5.7.1 \x1b[31m\nforged")
    DayFiles(proxy.records, 14).append([evil, ended(NOON)])
    refused, relayed = proxy.run("log").stdout.splitlines()
    assert refused == (
        f"{NOON} s-1 192.0.2.1 port 25 permanent by blocked (192.0.2.1 (b.list:1))"
        r" -> 554 5.7.1 \x1b[31m\nforged"
    )
    assert relayed.endswith("ended client_closed after 1.5 s, 10 bytes in, 20 bytes out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--since", "yesterday"], "neither a time such as"),
        (["--ip", "192.0.2.1/24"], "write 192.0.2.0/24 or 192.0.2.1"),
        (["--function", "magic"], "'magic' is not one of"),
    ],
)
def test_log_explains_a_bad_option(searched, options, message):
    done = searched.run("log", *options, check=False)
    assert done.returncode == 2
    assert message in done.stderr
