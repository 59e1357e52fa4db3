"""A foreign program takes a port in the middle of a move; or a second play moves the host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab_hosts import Client
from moves import DIRECT, EDGE, STEERED, Fleet, Gateway
from smtp import Session
from traffic import Traffic

# It tries until the port is free; with SO_REUSEPORT that is at once.
PROGRAM = """
import socket, sys, time
address, port, shared = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "shared"
sock = socket.socket()
if shared:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
else:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if port == 2500:
    while b"127.0.0.1:2500" not in open("/etc/postfix/master.cf", "rb").read():
        time.sleep(0.0005)
while True:
    try:
        sock.bind((address, port))
        sock.listen()
        break
    except OSError:
        pass
time.sleep(600)
"""
START = "systemd-run --quiet --collect --unit=foreign python3 /root/foreign.py"
STOP = "systemctl stop foreign 2>/dev/null || true"


@contextmanager
def foreign_program(fleet: Fleet) -> Iterator[None]:
    try:
        fleet.each(lambda one: one.host.write("/root/foreign.py", PROGRAM.encode()))
        yield
    finally:
        fleet.run(STOP)


def test_beside_both_owners_of_port_25(fleet: Fleet, traffic: Traffic, client: Client) -> None:
    """Connections go to the owner that they are steered to, until the stranger is seen."""
    fleet.bring(DIRECT)
    with foreign_program(fleet):
        module = fleet.move(EDGE, watch_seconds=1)

        def join(gateway: Gateway) -> None:
            with Session(client, gateway.host.address) as session:
                gateway.wait_for(STEERED, ("shell", f"{START} 0.0.0.0 25 shared"))
                session.quit()

        fleet.each(join)
        outputs = module.output_of_each()
    for output in outputs.values():
        assert "port 25 has 2 owners" in output, output
        assert "foreign.service" in output, output
    assert {one.topology for one in fleet.ends().values()} == {DIRECT}
    traffic.wait_for_more()


def test_in_the_gap_of_the_plain_order(fleet: Fleet, traffic: Traffic) -> None:
    fleet.bring(DIRECT)
    with foreign_program(fleet):
        fleet.run(f"{START} 0.0.0.0 25 alone")
        outputs = fleet.move(EDGE, handover="plain", watch_seconds=1).output_of_each()
    for output in outputs.values():
        assert "port 25 belongs to python3" in output, output
        assert "foreign.service" in output, output
        assert "every 10 s (journalctl --unit='mail-topology-guard-*')" in output, output
    # The way back is tried again and again, and is free now.
    assert {one.topology for one in fleet.ends().values()} == {DIRECT}
    traffic.wait_for_more()


def test_on_the_port_behind_the_filter(fleet: Fleet, traffic: Traffic) -> None:
    fleet.bring(DIRECT)
    with foreign_program(fleet):
        fleet.run(f"{START} 127.0.0.1 2500 alone")
        outputs = fleet.move(EDGE, watch_seconds=1).output_of_each()
    for output in outputs.values():
        assert "port 2500 belongs to python3" in output, output
        assert "foreign.service" in output, output
        assert "The host is as it was before (direct), proven" in output, output
    assert {one.topology for one in fleet.ends().values()} == {DIRECT}
    traffic.prove_unnoticed()
