"""Another release of the filter takes the port over from the one that runs, and gives it back."""

from __future__ import annotations

from pathlib import Path

from moves import EDGE, PLAYBOOKS, Fleet
from releases import empty_archive, other_archive, running
from traffic import Traffic

RELEASES = "/opt/sender-filter/releases"
STALE = f"{RELEASES}/0.0.1-stale"


def test_nobody_notices_an_upgrade_nor_the_way_back(
    fleet: Fleet, traffic: Traffic, tmp_path: Path
) -> None:
    fleet.bring(EDGE)
    before = fleet.each(lambda one: running(one.host))
    fleet.run(f"mkdir -p {STALE}")
    traffic.start_over()
    upgrade = f"sender_filter_wheelhouse={other_archive(tmp_path, '99.0-other')}"
    fleet.play(PLAYBOOKS[EDGE], "--extra-vars", upgrade).must_pass()
    assert set(fleet.each(lambda one: running(one.host)).values()) == {"99.0-other"}
    fleet.run(f"test ! -e {STALE}")
    fleet.play("rollback.yml").must_pass()
    assert fleet.each(lambda one: running(one.host)) == before
    traffic.prove_unnoticed()


def test_an_archive_without_the_hosts_python_changes_nothing(fleet: Fleet, tmp_path: Path) -> None:
    fleet.bring(EDGE)
    before = fleet.each(lambda one: running(one.host))
    upgrade = f"sender_filter_wheelhouse={empty_archive(tmp_path, '99.1-other')}"
    output = fleet.play(PLAYBOOKS[EDGE], "--extra-vars", upgrade).must_fail()
    for version in ("3.11", "3.13"):
        assert f"has nothing for Python {version}, which this host has" in output
        assert f"make one with scripts/wheelhouse {version}" in output
    assert fleet.each(lambda one: running(one.host)) == before
    fleet.run(f"test ! -e {RELEASES}/99.1-other")
