from __future__ import annotations

import pytest
from roles.plugins import plugin, used

rows = plugin("rollout", "rollout_rows")
DIFF = {"before_header": "a", "after_header": "b", "before": "x\ny\n", "after": "x\nz\n"}


def test_a_diff_is_made_of_whatever_modules_return() -> None:
    expected = ["--- a", "+++ b", "@@ -1,2 +1,2 @@", " x", "-y", "+z"]
    assert rows.differences([{"diff": DIFF}]) == expected
    assert rows.differences([{"diff": [DIFF, {"prepared": "p"}]}]) == expected
    assert rows.differences([{}, {"diff": []}, {"diff": {**DIFF, "after": DIFF["before"]}}]) == []


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"msg": "port 25\nbelongs"}, "port 25 belongs (task “T”)"),
        ({"module_stderr": "Traceback"}, "Traceback (task “T”)"),
        ({}, "no answer (task “T”)"),
        (None, "no answer (task “T”)"),
    ],
)
def test_a_trouble_names_what_was_said_and_the_task(
    result: dict[str, str] | None, said: str
) -> None:
    assert rows.trouble(result, "T") == said


def test_a_host_that_did_not_answer_is_unreachable_and_not_what_failed_then() -> None:
    assert rows.lost([{}, {"msg": "well"}]) == ""
    assert rows.lost([{}, {"unreachable": True, "msg": "no\nroute"}]) == "unreachable: no route"


def test_a_batch_is_a_reason_where_a_host_has_trouble() -> None:
    well, ill = {"trouble": ""}, {"trouble": "t"}
    assert rows.reason({"gw1": well}) == ""
    assert rows.reason({"gw1": well, "gw2": ill, "gw3": ill}) == "gw2: t; gw3: t"


@pytest.mark.parametrize(
    ("row", "way"),
    [
        ({}, "-"),
        ({"from": "direct"}, "direct"),
        ({"from": "direct", "move": {"seen": "edge"}}, "direct → edge"),
        ({"from": "direct", "move": {"seen": "edge"}, "to": "direct"}, "direct → edge → direct"),
        ({"from": "edge", "move": {"seen": "edge"}, "to": "edge"}, "edge"),
    ],
)
def test_the_way_of_a_host_is_told(row: dict[str, object], way: str) -> None:
    assert rows.way(row) == way


def test_a_move_is_kept_without_what_cannot_be_known() -> None:
    found = rows.moved({"before": "direct", "seen": "edge", "table": ["x"], "changed": True})
    assert found == {"before": "direct", "seen": "edge"}
    assert rows.moved({"connections_refused": 0}) == {"connections_refused": 0}
    assert rows.said({"changed": False, "failed": False, "queue": 1}) == {"queue": 1}


def test_the_table_has_each_host_of_the_plan() -> None:
    run = {
        "batches": [["gw1"], ["gw2", "gw3"]],
        "rows": {
            "gw1": {"state": "done", "from": "direct", "to": "edge", "probe": {"seconds": 0.6}},
            "gw2": {"state": "back", "from": "direct", "to": "direct", "trouble": "t"},
        },
    }
    assert rows.table(run) == [
        "host  batch  state      topology       probe  what",
        "gw1   1      done       direct → edge  0.6 s  -",
        "gw2   2      back       direct         -      t",
        "gw3   2      untouched  -              -      -",
    ]


def test_the_role_uses_them() -> None:
    assert used("rollout", rows)
