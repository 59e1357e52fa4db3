"""The index: every question of a page is answered by an index, and what comes out is true."""

import itertools
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import traffic

from sender_filter.core import addresses
from sender_filter.core.records import Hop, timestamp
from sender_filter_console.index import database, ids, kinds, places, reader, search, sums
from sender_filter_console.index.reader import Filters, Reader
from sender_filter_console.index.writer import PART, WIDTHS, Heard, Writer

NOW = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)
MANY = 3000


class Kept:
    """An index and what was put into it."""

    def __init__(self, path, *, days=30, most=10**6):
        self.path = path
        self.writer = Writer(database.open_writer(path), days=days, most=most)
        self.heard = []

    def add(self, heard, now=NOW):
        self.heard += heard
        self.writer.add(heard, "own", str(len(self.heard)), now)

    @property
    def reader(self):
        return Reader(database.open_reader(self.path))


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path / "index.sqlite")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A month of traffic."""
    made = Kept(tmp_path_factory.mktemp("index") / "index.sqlite")
    made.add(list(traffic.decisions(MANY, NOW, timedelta(days=30))))
    return made


def sessions(page):
    return [row.session for row in page.items]


def expected(full, wanted):
    return [one.record.session for one in reversed(full.heard) if wanted(one)]


STATEMENTS = {
    module.__name__.rpartition(".")[2] + "." + name: value
    for module in (search, sums, reader, kinds)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, str) and value.startswith("SELECT")
}
FIRST_OF_ALL = {"sums.TOP", "reader.OLDEST"}
IN_ORDER = FIRST_OF_ALL | {
    "search.BY_TIME", "search.BY_KIND", "search.BY_ADDRESS", "search.WALKED", "search.WALKED_TO",
    "reader.EVENTS", "reader.SIBLINGS",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(STATEMENTS))
def test_no_statement_scans_a_table(full, name):
    plan = [
        row[3]
        for row in full.writer._database.execute(
            f"EXPLAIN QUERY PLAN {STATEMENTS[name]}", [None] * STATEMENTS[name].count("?")
        )
    ]
    tables = ("decisions", "records", "ends", "events", "counts", "days", "week")
    scans = [step for step in plan if step.startswith("SCAN") and step.split()[1] in tables]
    if name in IN_ORDER:
        # As many rows as are asked for are read off an index, or off the table's own order.
        assert not any("TEMP B-TREE" in step for step in plan), plan
    if name not in FIRST_OF_ALL:
        assert scans == [], plan


def test_a_plan_without_its_index_would_be_seen(full):
    plan = full.writer._database.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM decisions NOT INDEXED WHERE kind = ?", [None]
    ).fetchall()
    assert plan[0][3].startswith("SCAN decisions")


def test_the_statements_were_found():
    assert {"search.BY_KIND", "search.WALKED", "sums.CHART", "reader.DECISION"} <= set(STATEMENTS)


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({}, lambda _: True),
        ({"function": "throttling"}, lambda one: one.record.function == "throttling"),
        ({"result": "refused"}, lambda one: one.record.action != "pass"),
        ({"result": "temporary"}, lambda one: one.record.action == "temporary"),
        ({"result": "shadow"}, lambda one: any(check.shadow for check in one.record.checks)),
        ({"gateway": "mx2.example.test"}, lambda one: one.gateway == "mx2.example.test"),
        ({"gateway": "nobody.example.test"}, lambda _: False),
        (
            {"since": NOW - timedelta(days=3), "until": NOW - timedelta(days=2)},
            lambda one: (
                NOW - timedelta(days=3) <= ids.parse(one.record.time) < NOW - timedelta(days=2)
            ),
        ),
        (
            {"span": places.span("198.51.100.3"), "result": "refused"},
            lambda one: one.record.address == "198.51.100.3" and one.record.action != "pass",
        ),
        (
            {"span": places.span("198.51.100.0/24")},
            lambda one: one.record.address.startswith("198.51.100."),
        ),
        (
            {"span": places.span("2001:db8::/32"), "function": "blocked"},
            lambda one: one.record.address.startswith("2001:") and one.record.function == "blocked",
        ),
        (
            {"span": places.span("198.51.100.3-198.51.100.5")},
            lambda one: one.record.address in ("198.51.100.3", "198.51.100.4", "198.51.100.5"),
        ),
    ],
)
@pytest.mark.parametrize("few", [search.FEW, 1])
def test_each_filter_finds_what_it_says_page_by_page(full, monkeypatch, filters, wanted, few):
    """With ``few`` a network is always one with many decisions, which are walked."""
    monkeypatch.setattr(search, "FEW", few)
    monkeypatch.setattr(search, "WALK", 1000)
    found, end = [], None
    for _ in range(MANY):
        page = full.reader.decisions(Filters(**filters, end=end, limit=100))
        assert len(page.items) <= 100
        found += sessions(page)
        if page.next is None:
            break
        end = int(page.next)
    assert found == expected(full, wanted)


def test_the_chart_counts_each_decision_once(full):
    for days, columns in ((1, 24), (7, 60), (30, 60), (30, 7)):
        since = NOW - timedelta(days=days)
        chart = full.reader.chart(since, NOW, columns, None)
        assert len(chart) <= columns + 2
        assert len({bucket.seconds for bucket in chart}) == 1
        first = chart[0].start
        counted = sum(part.count for bucket in chart for part in bucket.parts)
        assert counted == len([one for one in full.heard if ids.parse(one.record.time) >= first])


def test_a_chart_of_all_times_begins_with_the_first_decisions(full):
    chart = full.reader.chart(datetime(1, 1, 1, tzinfo=UTC), NOW, 1, None)
    assert sum(part.count for bucket in chart for part in bucket.parts) == MANY


def test_the_chart_of_one_gateway_is_its_own(full):
    chart = full.reader.chart(NOW - timedelta(days=30), NOW, 30, "mx1.example.test")
    first = chart[0].start
    refused = sum(
        part.count for bucket in chart for part in bucket.parts if part.action == "permanent"
    )
    assert refused == sum(
        one.gateway == "mx1.example.test"
        and one.record.action == "permanent"
        and ids.parse(one.record.time) >= first
        for one in full.heard
    )


def test_the_top_is_of_seven_days(full):
    first = datetime(2026, 11, 21, tzinfo=UTC)
    counts = Counter(
        one.record.address
        for one in full.heard
        if one.record.action != "pass" and ids.parse(one.record.time) >= first
    )
    top = full.reader.top(5)
    assert [each.refused for each in top] == [count for _, count in counts.most_common(5)]
    assert all(counts[each.address] == each.refused for each in top)
    latest = full.reader.decision(top[0].last)
    assert latest is not None
    assert latest.row.address == top[0].address
    assert full.reader.refused(addresses.parse(top[0].address)) == top[0].refused


def test_days_that_leave_the_window_are_counted_no_longer(kept):
    kept.add(list(traffic.decisions(500, NOW, timedelta(days=7))))
    before = sum(each.refused for each in kept.reader.top(500))
    while kept.writer.forget(NOW + timedelta(days=3)):
        pass
    after = sum(each.refused for each in kept.reader.top(500))
    first = datetime(2026, 11, 24, tzinfo=UTC)
    assert (
        before
        > after
        == sum(
            one.record.action != "pass" and ids.parse(one.record.time) >= first
            for one in kept.heard
        )
    )
    while kept.writer.forget(NOW + timedelta(days=30)):
        pass
    assert kept.reader.top(500) == []


def test_what_is_too_old_is_forgotten_with_all_that_belongs_to_it(tmp_path):
    kept = Kept(tmp_path / "index.sqlite", days=10)
    kept.add(list(traffic.decisions(300, NOW, timedelta(days=30))))
    first = NOW - timedelta(days=10)
    young = sum(ids.parse(one.record.time) >= first for one in kept.heard)
    kept.add([Heard(one.gateway, traffic.end(one.record)) for one in kept.heard])
    kept.add([Heard("mx1", traffic.block(NOW - timedelta(days=20), "192.0.2.7"))])
    while kept.writer.forget(NOW):
        pass
    left = kept.reader.decisions(Filters(limit=500)).items
    assert len(left) == kept.writer.stored == young < 300
    assert min(row.time for row in left) >= first
    assert kept.reader.oldest() == left[-1].time
    count = "SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM ends)"
    assert kept.writer._database.execute(count).fetchone() == (young, young)
    assert kept.reader.events(addresses.parse("192.0.2.7"), 9) == []


def test_no_more_are_kept_than_are_to_be(tmp_path):
    kept = Kept(tmp_path / "index.sqlite", most=1000)
    kept.add(list(traffic.decisions(PART + 1500, NOW, timedelta(days=1))))
    rounds = 1
    while kept.writer.forget(NOW):
        rounds += 1
    assert rounds > 1
    left = kept.reader.decisions(Filters(limit=5000)).items
    assert len(left) == kept.writer.stored == 1000
    assert sessions(kept.reader.decisions(Filters(limit=1)))[0] == kept.heard[-1].record.session
    again = Writer(database.open_writer(kept.path), days=30, most=1000)
    assert again.stored == 1000


def test_old_buckets_of_the_chart_are_forgotten(kept):
    kept.add(list(traffic.decisions(50, NOW, timedelta(hours=1))))
    kept.writer.forget(NOW + timedelta(days=3))
    counts = "SELECT DISTINCT width FROM counts ORDER BY width"
    left = [width for (width,) in kept.writer._database.execute(counts)]
    assert left == sorted(WIDTHS)[1:]


def test_decisions_of_one_moment_are_all_kept_and_in_order(kept):
    one = next(traffic.decisions(1, NOW, timedelta(seconds=1)))
    kept.add([one] * 5000)
    assert kept.writer.stored == 5000
    page = kept.reader.decisions(Filters(limit=5000))
    assert [row.id for row in page.items] == sorted({row.id for row in page.items}, reverse=True)


def test_gateways_whose_records_come_late_are_put_in_their_place(kept):
    records = list(traffic.decisions(200, NOW, timedelta(hours=1)))
    kept.writer.add(records[1::2], "own", "1", NOW)
    kept.writer.add(records[::2], "own", "2", NOW)
    found = sessions(kept.reader.decisions(Filters(limit=500)))
    assert found == [one.record.session for one in reversed(records)]


def test_a_batch_that_fails_leaves_nothing_and_is_taken_once(kept, monkeypatch):
    records = list(traffic.decisions(20, NOW, timedelta(hours=1)))
    kept.writer.add(records[:10], "own", "first", NOW)
    execute = kept.writer._execute
    calls = itertools.count()

    def failing(words, values):
        if next(calls) == 30:
            msg = "disk I/O error"
            raise sqlite3.OperationalError(msg)
        return execute(words, values)

    monkeypatch.setattr(kept.writer, "_execute", failing)
    with pytest.raises(sqlite3.OperationalError):
        kept.writer.add(records[10:], "own", "second", NOW)
    monkeypatch.undo()
    assert (kept.writer.stored, kept.writer.cursor("own")) == (10, "first")
    kept.writer.add(records[10:], "own", "second", NOW)
    assert len(kept.reader.decisions(Filters(limit=100)).items) == kept.writer.stored == 20
    chart = kept.reader.chart(NOW - timedelta(hours=2), NOW, 1, None)
    assert sum(part.count for bucket in chart for part in bucket.parts) == 20


@pytest.mark.parametrize(
    "change",
    [
        {"time": "yesterday"},
        {"address": "no address"},
        {"time": timestamp((NOW + timedelta(days=400)).timestamp())},
    ],
)
def test_a_record_that_is_no_sense_stops_nobody(kept, change):
    good, bad = traffic.decisions(2, NOW, timedelta(hours=1))
    fields = {name: getattr(bad.record, name) for name in bad.record.__struct_fields__}
    kept.add([Heard("mx1", type(bad.record)(**fields | change)), good])
    assert sessions(kept.reader.decisions(Filters())) == [good.record.session]


def test_a_record_has_its_end_and_its_siblings(kept):
    first, second, other = list(traffic.decisions(3, NOW, timedelta(hours=1)))
    fields = {name: getattr(second.record, name) for name in second.record.__struct_fields__}
    second = Heard(first.gateway, type(second.record)(**fields | {"session": first.record.session}))
    kept.add([first, second, other, Heard(first.gateway, traffic.end(first.record))])
    *_, row = kept.reader.decisions(Filters()).items
    full = kept.reader.decision(row.id)
    assert full is not None
    assert full.end is not None
    assert full.end.ended == "client_closed"
    assert [each.address for each in full.siblings] == [second.record.address]
    assert kept.reader.decision(row.id - 1) is None


def test_a_record_has_its_walk(kept):
    one = next(traffic.decisions(1, NOW, timedelta(hours=1)))
    walk = Hop(1, "from a by b", "10.0.0.1", known=True), Hop(3, "from nobody knows")
    fields = {name: getattr(one.record, name) for name in one.record.__struct_fields__}
    kept.add([Heard(one.gateway, type(one.record)(**fields | {"walk": walk}))])
    [row] = kept.reader.decisions(Filters()).items
    shown = kept.reader.decision(row.id).walk
    assert [(hop.number, hop.address, hop.known, hop.text) for hop in shown] == [
        (1, "10.0.0.1", True, "from a by b"),
        (3, None, False, "from nobody knows"),
    ]


def test_the_blocks_of_an_address_are_those_of_its_networks(kept):
    whom = ["192.0.2.7", "192.0.2.0/24", "192.0.3.0/24", "0.0.0.0/0", "<a@example.test>"]
    for number, each in enumerate(whom):
        kept.add([Heard("mx1", traffic.block(NOW + timedelta(seconds=number), each))])
    events = kept.reader.events(addresses.parse("192.0.2.7"), 10)
    assert [event.network for event in events] == ["0.0.0.0/0", "192.0.2.0/24", "192.0.2.7"]
    assert len(kept.reader.events(addresses.parse("192.0.2.7"), 2)) == 2


def test_an_index_of_an_older_layout_is_made_anew(tmp_path):
    path = tmp_path / "index.sqlite"
    old = sqlite3.connect(path)
    old.executescript("CREATE TABLE decisions (id); PRAGMA user_version = 999;")
    old.close()
    kept = Kept(path)
    kept.add(list(traffic.decisions(3, NOW, timedelta(hours=1))))
    assert kept.writer.stored == 3


def test_a_file_that_is_no_index_is_left_alone(tmp_path):
    path = tmp_path / "index.sqlite"
    path.write_text("something else, " * 100)
    with pytest.raises(OSError, match="not a database"):
        database.open_writer(path)
    assert path.read_text().startswith("something else")
