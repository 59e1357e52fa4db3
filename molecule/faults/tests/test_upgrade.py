"""Another release of the filter takes the port over from the one that runs, and gives it back."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from lab_hosts import ROOT
from moves import EDGE, PLAYBOOKS, Fleet
from traffic import Traffic

RELEASES = "/opt/sender-filter/releases"
STALE = f"{RELEASES}/0.0.1-stale"


@pytest.fixture
def other_archive(tmp_path: Path) -> Path:
    """The same program as another release."""
    made = subprocess.run(
        [ROOT / "scripts/wheelhouse"], check=True, capture_output=True, text=True
    ).stdout.splitlines()[-1]
    return Path(shutil.copy(made, tmp_path / "sender-filter-99.0-other.tar.gz"))


def running(fleet: Fleet) -> dict[str, str]:
    """The release that serves on each gateway."""
    asked = fleet.each(lambda one: one.host.run("senderfilter status --json"))
    return {name: Path(json.loads(text)["release"]).name for name, text in asked.items()}


def test_nobody_notices_an_upgrade_nor_the_way_back(
    fleet: Fleet, traffic: Traffic, other_archive: Path
) -> None:
    fleet.bring(EDGE)
    before = running(fleet)
    fleet.run(f"mkdir -p {STALE}")
    traffic.start_over()
    upgrade = ("--extra-vars", f"sender_filter_wheelhouse={other_archive}")
    fleet.play(PLAYBOOKS[EDGE], *upgrade).must_pass()
    assert set(running(fleet).values()) == {"99.0-other"}
    fleet.run(f"test ! -e {STALE}")
    fleet.play("rollback.yml").must_pass()
    assert running(fleet) == before
    traffic.prove_unnoticed()
