"""The hand-over that nobody notices: both listen, new connections are steered, old ones end.

There: Postfix gets its second service; the filter listens beside it on the port, while a BPF
program deals every connection to Postfix; then the program deals them to the filter; when
Postfix's sessions have ended, its first service goes. Back: the same with the parts exchanged.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ..postfix.lines import encode
from ..postfix.master_cf import MasterDocument
from . import model, services, sessions, steering
from .hands import Hands, Step
from .services import wait_until
from .sockets import Listener, reachable
from .survey import Survey

FIRST_WITH_REUSEPORT = (3, 6)
FIRST_KERNEL = (5, 6)  # pidfd_getfd
POLL_SECONDS = 0.1
PROBES = 3
FIRST, SECOND = 0, 1  # members of a group, in the order in which they joined


def hindrance(hands: Hands) -> str:
    """Why this way cannot be gone on this host now; empty if it can."""
    survey, ports = hands.before, hands.request.ports
    here, there = model.POSTFIX, model.FILTER
    if hands.request.topology == model.DIRECT:
        here, there = there, here
    if survey.owners(ports.listen) != [here]:
        return f"port {ports.listen} does not belong to {here} alone"
    if bool(survey.owners(ports.smtp)) == (hands.request.topology == model.EDGE):
        return f"port {ports.smtp} is not as the present topology has it"
    wanted = hands.request.listen_addresses
    if wanted and sorted(wanted) != sorted(survey.listen_addresses()):
        return "the filter is to listen on other addresses than Postfix"
    return _unable(survey)


def _unable(survey: Survey) -> str:
    version = survey.postfix.parameters["mail_version"]
    if survey.postfix.version < FIRST_WITH_REUSEPORT:
        return f"Postfix {version} does not share its port (3.6 and newer do)"
    kernel = os.uname().release
    major, minor = kernel.split(".")[:2]
    if (int(major), int(minor)) < FIRST_KERNEL:
        return f"kernel {kernel} cannot borrow a socket (5.6 and newer can)"
    try:
        listeners = survey.on(survey.ports.listen)
        alone = [one.address for one in listeners if not steering.shareable(one)]
    except (OSError, steering.SteeringError) as error:
        return str(error)
    return f"the socket on {alone[0]} was made without SO_REUSEPORT" if alone else ""


def steps(hands: Hands) -> list[Step]:
    """The whole way, in order."""
    way = _Overlap(hands)
    if hands.request.topology == model.EDGE:
        return [
            ("add Postfix's service behind the filter", way.add_second_service),
            ("let the filter listen beside Postfix", way.let_filter_listen),
            ("steer new connections to the filter", way.steer_to_filter),
            ("wait for Postfix's sessions to end", way.drain_postfix),
            ("take Postfix's service on the port away", way.remove_old_service),
        ]
    return [
        ("let Postfix listen beside the filter", way.let_postfix_listen),
        ("steer new connections to Postfix", way.steer_to_postfix),
        ("wait for the filter's sessions to end", way.drain_filter),
        ("stop the sender filter", way.stop_filter),
        ("take Postfix's service behind the filter away", way.remove_old_service),
    ]


class _Overlap:
    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        self.request = hands.request
        self.port = hands.request.ports.listen
        self.old = hands.before.on(self.port)

    # There

    def add_second_service(self) -> None:
        self._write_both(self.request.moved_to)
        behind = self.request.ports.smtp
        self.hands.reload_postfix(lambda now: now.owners(behind) == [model.POSTFIX], None)

    def let_filter_listen(self) -> None:
        # Until the filter is ready, nobody is dealt to its queue.
        self._steer(FIRST)
        self.hands.start_filter()

    def steer_to_filter(self) -> None:
        self.hands.on_failure("steer to Postfix again", lambda: self._steer_back(model.FILTER))
        self._steer(SECOND)
        self._probe(filters=True)

    def drain_postfix(self) -> None:
        self._drain(lambda: sessions.of_postfix(self.port))

    # Back

    def let_postfix_listen(self) -> None:
        self._steer(FIRST)
        self._write_both(self.request.service)
        self.hands.reload_postfix(lambda now: model.POSTFIX in now.owners(self.port), None)

    def steer_to_postfix(self) -> None:
        self.hands.on_failure("steer to the filter again", lambda: self._steer_back(model.POSTFIX))
        self._steer(SECOND)
        self._probe(filters=False)

    def drain_filter(self) -> None:
        self._drain(lambda: sessions.of_filter(self.port))

    def stop_filter(self) -> None:
        self.hands.on_failure("start the sender filter", services.start_filter)
        services.stop_filter()

    # Both ways

    def remove_old_service(self) -> None:
        self.hands.write_master_cf(self.hands.wanted)
        self.hands.reload_postfix(self.hands.in_place, self.hands.given_up)
        steering.release(self.hands.before.glance().on(self.port))

    def _write_both(self, second: str) -> None:
        """master.cf as it is, and below it the entry that will be left in the end."""
        current = self.hands.before.postfix.master_cf
        (entry,) = MasterDocument.parse(self.hands.wanted).find(second, "inet")
        gap = b"" if current.endswith(b"\n") else b"\n"
        self.hands.write_master_cf(current + gap + encode("".join(entry.lines)))

    def _steer(self, member: int) -> None:
        try:
            steering.steer(self._still_there(), member)
        except (OSError, steering.SteeringError) as error:
            msg = f"new connections cannot be steered: {error}"
            raise services.ServiceError(msg) from error

    def _still_there(self) -> list[Listener]:
        inodes = {one.inode for one in self.old}
        return [one for one in self.hands.before.glance().on(self.port) if one.inode in inodes]

    def _steer_back(self, away_from: str) -> None:
        """New connections go the old way again, and what waits in the other queue is served."""
        self._steer(FIRST)
        self._emptied(away_from)

    def _probe(self, *, filters: bool) -> None:
        """Connect to each address and see who serves the connection."""
        for address in {one.address for one in self.old}:
            for _ in range(PROBES):
                if sessions.reaches_filter(reachable(address), self.port) != filters:
                    msg = f"a new connection to {address} was not steered where it should go"
                    raise services.ServiceError(msg)

    def _emptied(self, owner: str) -> None:
        survey = self.hands.before.glance()
        queues = [one for one in survey.on(self.port) if survey.owner(one) == owner]
        wait_until(lambda: not any(map(sessions.waiting, queues)), self.request.drain_seconds)

    def _drain(self, running: Callable[[], int]) -> None:
        outcome, started = self.hands.outcome, time.monotonic()
        self._emptied(model.POSTFIX if self.request.topology == model.EDGE else model.FILTER)
        outcome.sessions_running = left = running()
        while left:
            outcome.seconds_waited = round(time.monotonic() - started, 1)
            if outcome.seconds_waited > self.request.drain_seconds:
                if self.request.drain_action == "rollback":
                    msg = f"{left} sessions still ran after {outcome.seconds_waited} s"
                    raise services.ServiceError(msg)
                if self.request.drain_action == "cut":
                    outcome.sessions_cut = left
                    return
            time.sleep(POLL_SECONDS)
            left = running()
