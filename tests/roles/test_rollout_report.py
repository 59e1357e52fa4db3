"""The page of a run: whole, nothing from elsewhere, and nothing of a host taken for markup."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from roles.plugins import ROLES, plugin

EVIL = "<script>alert('&')</script>"
BEGUN: dict[str, Any] = {
    "host": "gw1",
    "state": "ready",
    "trouble": "",
    "from": "direct",
    "ports_before": [f"25 {EVIL}"],
    "health_before": dict.fromkeys(
        ("queue", "deferred", "accepted", "refused", "refused_share", "sent", "bounced"), 0
    )
    | {"filter_errors": 0},
    "snapshot": "20261124T053300Z",
}
MOVED: dict[str, Any] = {
    **BEGUN,
    "state": "back",
    "trouble": EVIL,
    "to": "direct",
    "ports": [EVIL],
    "move": {
        "before": "direct",
        "seen": "edge",
        "handover": "overlap",
        "steps": [EVIL],
        "milliseconds_without_listener": 0,
        "sessions_running": 3,
        "sessions_cut": 0,
        "seconds_waited": 4.1,
    },
    "release": "0.1.0",
    "probe": {"seconds": 0.6, "hops": [EVIL]},
    "health": {**BEGUN["health_before"], "queue": 7},
    "differences": ["--- a", f"+{EVIL}", "-old", " same"],
    "returned": [],
}
RETURNED: dict[str, Any] = {
    **MOVED,
    "returned": [EVIL],
    "return": {
        "milliseconds_without_listener": 2,
        "sessions_running": 1,
        "sessions_cut": 1,
        "seconds_waited": 0.4,
    },
    "probe_back": {"seconds": 1.5, "hops": [EVIL]},
}


def page(**run: Any) -> str:
    loader = FileSystemLoader(ROLES / "rollout/templates")
    # As Ansible renders it.
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True)  # noqa: S701
    environment.filters["flatten"] = lambda lists: [one for each in lists for one in each]
    environment.filters |= plugin("rollout", "rollout_rows").FilterModule().filters()
    known = {
        "name": "20261127T094700Z",
        "target": "edge",
        "who": EVIL,
        "began": "b",
        "ended": "",
        "reason": "",
        "batches": [["gw1"], ["gw2"]],
        "remaining": [["gw2"]],
        "rows": {},
    }
    template = environment.get_template("report.html.j2")
    return template.render(rollout_noted={"run": {**known, **run}})


@pytest.mark.parametrize("row", [BEGUN, MOVED, RETURNED])
def test_nothing_of_a_host_is_taken_for_markup(row: dict[str, Any]) -> None:
    text = page(rows={"gw1": row}, reason=EVIL, ended="now")
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_the_page_is_whole_and_fits_a_phone_and_paper() -> None:
    text = page(rows={"gw1": RETURNED})
    assert not re.search(r"(?:src|href)=\"(?!#)|url\(|@import|https?:", text)
    for needed in ('name="viewport"', "prefers-color-scheme: dark", "@media print"):
        assert needed in text
    for tag in ("section", "table", "details", "pre", "div", "ol", "li", "tr", "td", "span"):
        assert len(re.findall(rf"<{tag}[ >]", text)) == text.count(f"</{tag}>"), tag


def test_it_says_how_the_run_stands() -> None:
    done = {**MOVED, "state": "done", "trouble": ""}
    assert "Not at its end: 1 gateways are still to be moved." in page()
    assert "All gateways are done." in page(ended="now", rows={"gw1": done})
    stopped = page(ended="now", reason="gw1: t", rows={"gw1": MOVED})
    assert "Stopped. gw1: t" in stopped
    assert "direct → edge → direct" in stopped
    assert "an unknown number of connections refused" in stopped
    assert "nothing was left to change" in stopped
    assert ">not touched<" in stopped


def test_what_the_way_back_has_cost_is_told_with_what_the_move_has() -> None:
    text = page(ended="now", reason="gw1: t", rows={"gw1": RETURNED})
    assert "1 sessions running and 1 cut, waited 0.4 s." in text
    assert '<td data-name="no listener">2 ms</td><td data-name="cut">1</td>' in text
    assert "The probe after it, 1.5 s" in text


def test_figures_that_were_not_to_be_had_leave_the_page_whole() -> None:
    row = {**MOVED, "health_before": {}, "health": {"msg": "t"}, "probe": {"msg": "t"}}
    assert "<td>-</td>" in page(rows={"gw1": row})
