"""The chart and the path: where things stand in the pictures."""

from datetime import UTC, datetime, timedelta

import pytest
from sample_fleet import NOW

from sender_filter_console.interface import ChartBucket, ChartPart, Port, Topology
from sender_filter_console.pages import chart, path_picture

SINCE = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def test_bars_stand_on_each_other_and_reach_no_higher_than_the_scale() -> None:
    parts = [
        ChartPart("blocked", "permanent", shadow=False, count=30),
        ChartPart("none", "pass", shadow=False, count=10),
        ChartPart("profiler", "pass", shadow=True, count=5),
    ]
    drawn = chart.draw([ChartBucket(SINCE, 3600, parts)], SINCE, NOW)
    (bar,) = drawn.bars
    assert [part.kind for part in bar.segments] == ["pass", "shadow", "permanent"]
    bottoms = [part.y + part.height for part in bar.segments]
    assert bottoms[0] == pytest.approx(chart.HEIGHT - chart.BOTTOM)
    assert bottoms[1:] == pytest.approx([part.y for part in bar.segments[:-1]], abs=0.02)
    assert bar.segments[-1].y >= chart.TOP
    assert drawn.totals == {"pass": 10, "shadow": 5, "temporary": 0, "permanent": 30}


def test_a_chart_of_nothing_has_a_scale_and_no_bars() -> None:
    drawn = chart.draw([], SINCE, NOW)
    assert drawn.bars == []
    assert [mark.text for mark in drawn.scale] == ["0", "1", "2"]


@pytest.mark.parametrize("span", [timedelta(hours=1), timedelta(days=1), timedelta(days=30)])
def test_times_are_round_and_few(span: timedelta) -> None:
    drawn = chart.draw([], NOW - span + timedelta(minutes=7), NOW + timedelta(minutes=7))
    assert 3 <= len(drawn.times) <= 8
    assert all(re_round(mark.text) for mark in drawn.times)


def re_round(text: str) -> bool:
    return text.endswith("0") or "-" in text


@pytest.mark.parametrize("highest", [1, 3, 9, 10, 11, 99, 101, 12_345])
def test_the_scale_is_round_and_holds_the_highest(highest: int) -> None:
    part = ChartPart("none", "pass", shadow=False, count=highest)
    drawn = chart.draw([ChartBucket(SINCE, 3600, [part])], SINCE, NOW)
    top = int(drawn.scale[-1].text.replace(",", ""))
    assert highest <= top <= max(2, highest * 2.5)
    assert drawn.bars[0].segments[0].y >= chart.TOP


def topology(declared: str | None, seen: str, *owners: tuple[int, str]) -> Topology:
    ports = [Port(port, "ipv4", "127.0.0.1", owner, "x (1)", "x.service") for port, owner in owners]
    return Topology("gw1", declared, seen, NOW, ports, [], [], "")


def test_each_station_says_whether_the_right_one_has_its_port() -> None:
    found = path_picture.stations(
        topology(
            "edge",
            "edge",
            (25, "sender filter"),
            (25, "postfix"),
            (2500, "nobody"),
            (10025, "nginx"),
            (10026, "postfix"),
        )
    )
    assert [(each.port, each.state) for each in found] == [
        (25, "wrong"),
        (2500, "missing"),
        (10025, "wrong"),
        (10026, "good"),
    ]
    assert found[0].found == ["postfix", "sender filter"]


@pytest.mark.parametrize(
    ("declared", "seen", "ports"),
    [
        ("edge", "direct", [25, 2500, 10025, 10026]),
        (None, "direct", [25, 10025, 10026]),
        ("inline", "edge", [25, 10020, 10021, 10025, 10026]),
        (None, "unclear", [25, 10025, 10026]),
    ],
)
def test_the_path_is_the_declared_one(declared: str | None, seen: str, ports: list[int]) -> None:
    found = path_picture.stations(topology(declared, seen))
    assert [each.port for each in found] == ports
