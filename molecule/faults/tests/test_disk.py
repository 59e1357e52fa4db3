"""A full disk: the error names the file and the cure, and the host is as before."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest
from moves import DIRECT, EDGE, OTHER, PLAYBOOKS, Fleet
from traffic import Traffic

# A small filesystem of its own, with what was there, and full to the last byte.
FILL = (
    "mkdir -p /mnt/before && mount --bind {folder} /mnt/before && "
    "mount -t tmpfs -o size=256k full {folder} && cp -a /mnt/before/. {folder}/ && "
    "{{ cat /dev/zero >{folder}/filling 2>/dev/null; true; }}"
)
FREE = "umount {folder}; umount /mnt/before"


def full(fleet: Fleet, folder: str) -> AbstractContextManager[None]:
    return fleet.broken(FILL.format(folder=folder), FREE.format(folder=folder))


def test_without_room_for_a_snapshot_no_play_begins(fleet: Fleet, traffic: Traffic) -> None:
    fleet.bring(DIRECT)
    with full(fleet, "/var/lib/mail-topology"):
        output = fleet.play(PLAYBOOKS[EDGE]).must_fail()
    for one in fleet.gateways:
        assert f"fatal: [{one.name}]: FAILED!" in output
    assert "nothing was changed: the host cannot be kept as it is" in output
    assert "No space left on device; make room in /var/lib/mail-topology" in output
    assert {one.topology for one in fleet.ends().values()} == {DIRECT}
    traffic.prove_unnoticed()


@pytest.mark.parametrize("topology", [EDGE, DIRECT])
def test_without_room_for_master_cf_the_host_stays_as_it_is(
    fleet: Fleet, traffic: Traffic, topology: str
) -> None:
    fleet.bring(OTHER[topology])
    with full(fleet, "/etc/postfix"):
        outputs = fleet.move(topology).output_of_each()
    for output in outputs.values():
        assert "/etc/postfix/master.cf was not changed" in output
        assert "No space left on device; make room on that filesystem and run again" in output
        assert f"The host is as it was before ({OTHER[topology]}), proven" in output
    assert {one.topology for one in fleet.ends().values()} == {OTHER[topology]}
    traffic.prove_unnoticed()
