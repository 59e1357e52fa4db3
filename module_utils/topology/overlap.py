"""The hand-over that nobody notices: both listen, new connections are steered, old ones end.

Whoever shall have the port in the end listens beside whoever has it now, while a BPF program deals
every connection to the old one; then the program deals them to the new one; when the sessions of
the old one have ended, it goes. The steps are those that are left, wherever the host stands: a move
that was interrupted goes on, or back, from there.
"""

from __future__ import annotations

import os
from functools import partial

from . import fronts, handed_over, inline, model, services, sessions, steering
from .hands import Hands, Step
from .services import wait_until
from .sockets import Listener, reachable
from .survey import Survey

FIRST_WITH_REUSEPORT = (3, 6)
FIRST_KERNEL = (5, 6)  # pidfd_getfd
PROBES = 3
FIRST, SECOND = 0, 1  # members of a group, in the order in which they joined


def hindrance(hands: Hands) -> str:
    """Why this way cannot be gone on this host now; empty if it can."""
    survey, ports = hands.before, hands.ports
    if hands.goal.owner(ports) is None:
        return f"port {ports.listen} had no single owner before"
    here = survey.owners(ports.listen)
    if not here:
        return f"nobody listens on port {ports.listen}"
    if not set(here) <= {model.POSTFIX, model.FILTER}:
        return f"port {ports.listen} belongs to {'; '.join(here)}"
    wanted = hands.request.listen_addresses
    if wanted and sorted(wanted) != sorted(survey.listen_addresses()):
        return "the filter is to listen on other addresses than Postfix"
    return _unable(survey)


def _unable(survey: Survey) -> str:
    if survey.provider.alone:
        return survey.provider.alone
    version = survey.postfix.parameters["mail_version"]
    if survey.postfix.version < FIRST_WITH_REUSEPORT:
        return f"Postfix {version} does not share its port (3.6 and newer do)"
    if not survey.filter.shares:
        return f"{fronts.EDGE.socket_unit} has ReusePort=no"
    kernel = os.uname().release
    major, minor = kernel.split(".")[:2]
    if (int(major), int(minor)) < FIRST_KERNEL:
        return f"kernel {kernel} cannot borrow a socket (5.6 and newer can)"
    try:
        listeners = survey.on(survey.ports.listen)
        alone = [one.address for one in listeners if not steering.shareable(one)]
    except OSError as error:
        return str(error)
    return f"the socket on {alone[0]} was made without SO_REUSEPORT" if alone else ""


def steps(hands: Hands) -> list[Step]:
    """What is left to do, in order."""
    way = _Overlap(hands)
    goal, before, listen = hands.goal, hands.before, hands.ports.listen
    new, old = (model.FILTER, model.POSTFIX) if goal.filter_on else (model.POSTFIX, model.FILTER)
    short = {model.FILTER: "the filter", model.POSTFIX: "Postfix"}
    steered = old in before.owners(listen)
    todo = inline.opening(hands)
    if missing := hands.missing_on():
        beside = listen in missing and model.FILTER in before.owners(listen)
        name = "let Postfix listen beside the filter" if beside else "add Postfix's new service"
        todo.append((name, way.add_services))
    todo += inline.trying(hands)
    if goal.filter_on and not before.filter.running:
        todo.append(("let the filter listen beside Postfix", way.let_filter_listen))
    if steered:
        todo += [
            (f"steer new connections to {short[new]}", partial(way.steer_to, new)),
            (f"wait for {short[old]}'s sessions to end", partial(way.drain, old)),
        ]
    if goal.filter_on and not before.filter.running:
        todo.append(("see the filter live", hands.watch_filter))
    if not goal.filter_on and not before.filter.stopped:
        todo.append(("stop the sender filter", hands.stop_filter))
    todo += inline.closing(hands) + handed_over.closing(hands)
    if steered or goal.master_cf != before.postfix.master_cf or not hands.in_place(before):
        taking = [("take away what Postfix has no more", way.settle)]
        todo += inline.joining(hands) or taking
    return todo


class _Overlap:
    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        self.port = hands.ports.listen
        self.newcomer: str | None = None
        self.steered: set[int] = set()

    def add_services(self) -> None:
        if self.port in self.hands.missing_on() and self._has(model.FILTER):
            self._welcome(model.POSTFIX)
        self.hands.add_services()

    def let_filter_listen(self) -> None:
        if self._has(model.POSTFIX):
            self._welcome(model.FILTER)
        self.hands.start_filter()

    def _has(self, owner: str) -> bool:
        return owner in self.hands.before.owners(self.port)

    def _welcome(self, newcomer: str) -> None:
        """Whoever joins the port gets nobody until it is ready."""
        self.newcomer = newcomer
        self._steer(self._listeners(), FIRST)

    def steer_to(self, owner: str) -> None:
        """Deal new connections on each address to one of the two owners.

        Those of this host itself go first: who does not serve them gets nobody else's. On the way
        back the owner was served before, and who came later may be broken: all go at once.
        """
        likely = SECOND if self.newcomer == owner else FIRST
        groups = {one.address: one for one in self._listeners()}
        for address, one in groups.items():
            for member in (likely, 1 - likely):
                others = 1 - member if self.newcomer == owner else member
                self._steer([one], others, ourselves=member)
                if self._reaches(address, owner):
                    self._steer([one], member)
                    break
            else:
                msg = f"new connections to {address} cannot be steered to {owner}"
                raise services.ServiceError(msg)
        self.steered = self._sockets(self.hands.before.glance())

    def drain(self, owner: str) -> None:
        """See the queue of the port's former owner emptied and its sessions ended."""
        survey = self.hands.before.glance()
        queues = [one for one in survey.on(self.port) if survey.owner(one) == owner]
        limit = self.hands.request.drain_seconds
        wait_until(lambda: not any(map(sessions.waiting, queues)), limit)
        self.hands.drain(of_filter=owner == model.FILTER)
        # A socket of a filter that was killed is nobody's for a moment, and the same one still.
        after = self.hands.before.glance()
        present = {one.inode for one in after.on(self.port)}
        if self.steered - present or self._sockets(after) - self.steered:
            msg = (
                f"a socket on port {self.port} was made anew meanwhile, and nobody knows whom new "
                "connections came to: somebody else has restarted Postfix or the filter"
            )
            raise services.ServiceError(msg)

    def settle(self) -> None:
        self.hands.settle_postfix()
        owners = self.hands.before.glance().owners(self.port)
        # Where the former owner is still there, the kernel would deal it every other connection.
        if not {model.POSTFIX, model.FILTER} <= set(owners):
            steering.release(self._listeners())

    def _sockets(self, survey: Survey) -> set[int]:
        return {one.inode for one in self._ours(survey)}

    def _listeners(self) -> list[Listener]:
        return self._ours(self.hands.before.glance())

    def _ours(self, survey: Survey) -> list[Listener]:
        ours = (model.POSTFIX, model.FILTER)
        return [one for one in survey.on(self.port) if survey.owner(one) in ours]

    def _steer(
        self, listeners: list[Listener], member: int, *, ourselves: int | None = None
    ) -> None:
        try:
            steering.steer(listeners, member, ourselves=ourselves)
        except OSError as error:
            msg = f"new connections cannot be steered: {error}"
            raise services.ServiceError(msg) from error

    def _reaches(self, address: str, owner: str) -> bool:
        wanted = owner == model.FILTER
        try:
            return all(
                sessions.reaches_filter(reachable(address), self.port, self.hands.check_alive)
                == wanted
                for _ in range(PROBES)
            )
        except OSError as error:
            self.hands.check_alive()
            msg = f"a new connection to {address} got no answer: {error}"
            raise services.ServiceError(msg) from error
