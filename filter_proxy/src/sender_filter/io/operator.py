"""What an operator says over the control socket about who may pass."""

import time

from sender_filter.core import addresses, networks
from sender_filter.core.profiler.judgement import Finding
from sender_filter.core.records import timestamp
from sender_filter.core.runtime_lists import FOR_EVER, Entry
from sender_filter.core.subject import parse_sender
from sender_filter.io.messages import (
    Answer,
    Done,
    Entries,
    ProfileRow,
    Profiles,
    Request,
    RuntimeEntry,
)
from sender_filter.state import Keeper


class Operator:
    """Carries out orders, and answers what the functions have found."""

    def __init__(self, keeper: Keeper) -> None:
        """Work on these lists and profiles."""
        self._keeper = keeper

    def answer(self, request: Request) -> Answer:
        """Answer a request that is an order, or about what the functions have found.

        Raises:
            ValueError: The request names no network where it should, or there is no room.
        """
        match request.command:
            case "entries":
                return Entries([_entry(each) for each in self._keeper.lists if _counts(each)])
            case "profile":
                return Profiles([_row(each) for each in self._findings(request.address)])
            case _:
                return self._obey(request)

    def _obey(self, request: Request) -> Done:
        sender = parse_sender(request.address) if request.command == "release" else None
        if sender is not None:
            self._keeper.unblock(sender)
            return Done(f"{sender} is released")
        for network in networks.parse(request.address):
            if request.command == "release":
                self._keeper.unblock(network)
                continue
            until = FOR_EVER if request.seconds is None else time.time() + request.seconds
            order = self._keeper.block if request.command == "block" else self._keeper.approve
            order(network, until, request.comment)
        verb = {"block": "blocked", "approve": "approved", "release": "released"}[request.command]
        return Done(f"{request.address} is {verb}")

    def _findings(self, address: str) -> list[Finding]:
        profiler, now = self._keeper.profiler, time.time()
        if address:
            return profiler.look(addresses.parse(address), now)
        return list(profiler.suspicious(now))


def _counts(entry: Entry) -> bool:
    return entry.kind != "removal" and entry.until > time.time()


def _entry(entry: Entry) -> RuntimeEntry:
    return RuntimeEntry(
        network=str(entry.network),
        kind=entry.kind,
        who=entry.who,
        since=timestamp(entry.since),
        until=None if entry.permanent else timestamp(entry.until),
        comment=entry.comment,
    )


def _row(finding: Finding) -> ProfileRow:
    return ProfileRow(
        address=str(finding.subject),
        rule=finding.name,
        bad=finding.bad,
        total=finding.total,
        percent=round(finding.percent, 1),
        violated=finding.violated,
    )
