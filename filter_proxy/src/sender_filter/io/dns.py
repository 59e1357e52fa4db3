"""Asking the DNS, through c-ares.

c-ares tries one server after the other, asks again over TCP when an answer was cut off (RFC 7766
section 5), and keeps answers in a cache of its own that has no bound and would hide for an hour
what a list says now. So its channel is replaced every few seconds; what is to be kept is kept in
``core.reputation.cache``.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import pycares

from sender_filter.io.cares import Channel, Question
from sender_filter.io.deadlines import Deadlines

CHANNEL_SECONDS = 10.0
_TRIES = 4
MOST_EXCHANGES = 20
MOST_ADDRESSES = 256
"""The owner of a name says how many it has, and whose: a list must not grow by it without end."""
_NOTHING = {pycares.errno.ARES_ENOTFOUND, pycares.errno.ARES_ENODATA}


class DnsError(Exception):
    """No answer of use; the message says why."""


class Answer(NamedTuple):
    """The A records of a name; none if it has none or does not exist.

    Attributes:
        addresses: The records' addresses as text.
        ttl: Seconds for which they hold.
    """

    addresses: tuple[str, ...] = ()
    ttl: int = 0


class Resolver(Protocol):
    """What the engine needs of the DNS. Every method may raise ``DnsError``, and does in time."""

    async def addresses(self, name: str) -> Answer:
        """The A records of a name."""

    async def text(self, name: str) -> bytes | None:
        """The TXT records of a name, one after the other; None if it has none."""

    async def negative_ttl(self, zone: str) -> int | None:
        """How long "no such name" holds in a zone (RFC 2308 section 5); None if it does not say.

        The SOA of a negative answer itself would do, but c-ares keeps that to itself.
        """

    async def close(self) -> None:
        """Give up what is under way."""


class CaresResolver:
    """A resolver on c-ares. Make it inside the running loop."""

    def __init__(self, servers: Sequence[str], seconds: float) -> None:
        """Ask these servers (``address:port``; none: the system's), and give up after so long."""
        self._deadlines = Deadlines[Question](seconds, lambda question: _give_up(question, seconds))
        self._seconds = seconds
        self._servers = tuple(servers)
        # c-ares waits for each server in turn, then twice as long, and less where a server has
        # been fast; so it may try more often than fits: the deadline ends it.
        self._timeout = seconds / (3 * max(1, len(self._servers)))
        self._channel = self._make()
        self._former: Channel | None = None
        self._lifetime = max(CHANNEL_SECONDS, seconds)
        self._replace_at = asyncio.get_running_loop().time() + self._lifetime

    async def addresses(self, name: str) -> Answer:
        """The A records of a name."""
        records = await self._ask(name, pycares.QUERY_TYPE_A)
        found = tuple(r.data.addr for r in records if isinstance(r.data, pycares.ARecordData))
        return Answer(found, min((r.ttl for r in records), default=0))

    async def text(self, name: str) -> bytes | None:
        """The TXT records of a name, one after the other; None if it has none."""
        records = await self._ask(name, pycares.QUERY_TYPE_TXT)
        texts = [r.data.data for r in records if isinstance(r.data, pycares.TXTRecordData)]
        return b" ".join(texts) if texts else None

    async def hosts(self, name: str) -> tuple[str, ...]:
        """The addresses of a name, and of the hosts that take its mail (MX), in one order.

        Raises:
            DnsError: There was no answer of use to one of the questions, or not all of them in
                time, or there are too many to be put on a list.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await self._all_addresses({name, *await self._exchanges(name)})
        except TimeoutError:
            msg = f"not all answers in {self._seconds:g} s"
            raise DnsError(msg) from None
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def negative_ttl(self, zone: str) -> int | None:
        """How long "no such name" holds in a zone (RFC 2308 section 5); None if it does not say."""
        for record in await self._ask(zone, pycares.QUERY_TYPE_SOA):
            if isinstance(record.data, pycares.SOARecordData):
                return min(record.ttl, record.data.minimum)
        return None

    async def close(self) -> None:
        """Give up what is under way."""
        for channel in (self._channel, self._former):
            if channel is not None:
                channel.close()

    async def _exchanges(self, name: str) -> set[str]:
        """The hosts that take a name's mail.

        Raises:
            DnsError: There was no answer of use, or there are too many.
        """
        records = await self._ask(name, pycares.QUERY_TYPE_MX)
        hosts = {r.data.exchange for r in records if isinstance(r.data, pycares.MXRecordData)}
        if len(hosts) > MOST_EXCHANGES:
            msg = f"more than {MOST_EXCHANGES} hosts take its mail; list its networks instead"
            raise DnsError(msg)
        return {host for host in hosts if host.strip(".")}  # a lone dot: nobody does (RFC 7505)

    async def _all_addresses(self, hosts: set[str]) -> tuple[str, ...]:
        """The addresses of some hosts, asked for at once.

        Raises:
            ExceptionGroup: ``DnsError``s; who fails first ends the others.
        """
        found = set[str]()
        async with asyncio.TaskGroup() as asking:
            for host in hosts:
                for kind in (pycares.QUERY_TYPE_A, pycares.QUERY_TYPE_AAAA):
                    asking.create_task(self._find(host, kind, found))
        return tuple(sorted(found))

    async def _find(self, host: str, kind: int, found: set[str]) -> None:
        """Add a host's addresses to those that were found.

        Raises:
            DnsError: There was no answer of use, or there are too many now.
        """
        records = await self._ask(host, kind)
        found.update(
            r.data.addr
            for r in records
            if isinstance(r.data, pycares.ARecordData | pycares.AAAARecordData)
        )
        if len(found) > MOST_ADDRESSES:
            msg = f"more than {MOST_ADDRESSES} addresses; list its networks instead"
            raise DnsError(msg)

    async def _ask(self, name: str, kind: int) -> list[pycares.DNSRecord]:
        """The records of an answer.

        Raises:
            DnsError: There was no answer of use.
        """
        self._replace()
        question = None
        try:
            question = self._channel.ask(name, kind)
            self._deadlines.start(question)
            return await question
        except pycares.AresError as error:
            if error.args[0] in _NOTHING:
                return []
            raise DnsError(_explained(error)) from error
        except (RuntimeError, ValueError) as error:  # closed meanwhile; bytes no name can have
            raise DnsError(str(error)) from error
        finally:
            if question is not None:
                self._deadlines.stop(question)

    def _replace(self) -> None:
        """Take a new channel if it is time; the former one has as long to finish its questions."""
        now = asyncio.get_running_loop().time()
        if now < self._replace_at:
            return
        self._replace_at = now + self._lifetime
        oldest, self._former, self._channel = self._former, self._channel, self._make()
        if oldest is not None:
            oldest.close()

    def _make(self) -> Channel:
        return Channel(self._servers, self._timeout, _TRIES)


def _give_up(question: Question, seconds: float) -> None:
    if not question.done():
        question.set_exception(DnsError(f"no answer in {seconds:g} s"))


def _explained(error: pycares.AresError) -> str:
    """What c-ares says, in a few words."""
    with contextlib.suppress(IndexError):
        return str(error.args[1])
    return str(error)
