"""What a relayed session does, seen from between its two ends.

The observer reads along. Bytes go on unaltered, except that a message may have to wait until its
headers were judged, and is refused then before Postfix has any of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from sender_filter.core.addresses import Address
from sender_filter.core.replies import Reply
from sender_filter.core.smtp.events import (
    BeginTls,
    CloseClient,
    CloseServer,
    Event,
    HeadersComplete,
    Lost,
    TlsBegun,
    ToClient,
    ToServer,
)
from sender_filter.core.smtp.session import Session as Smtp
from sender_filter.core.smtp.transactions import Transaction, Transactions
from sender_filter.io.journal import log

Carry = ToServer | ToClient | CloseServer | CloseClient | BeginTls
"""What the shell is to do with the connections."""


class Verdict(NamedTuple):
    """What was found out about a message.

    Attributes:
        subject: Whose message it is; None: nobody's who is to be profiled.
        reply: The refusal; None: it passes.
    """

    subject: Address | None
    reply: Reply | None


class Interests(NamedTuple):
    """Who wants to know.

    Attributes:
        transaction: Called with each transaction, and whose it is if that is known.
        judge: Judges the header section of a message from a sender, now or after a while; None:
            messages are not judged.
        unseen: Called when the rest of a session cannot be seen, with the reason.
    """

    transaction: Callable[[Address | None, Transaction], None]
    judge: Callable[[bytes, str], Verdict | Awaitable[Verdict]] | None
    unseen: Callable[[str], None]


class Observer:
    """Follows one session.

    Attributes:
        judging: Whether a message waits for its judgement.
    """

    __slots__ = (
        "_carry", "_client", "_interests", "_smtp", "_subject", "_task", "_transactions",
        "judging",
    )  # fmt: skip

    def __init__(
        self,
        subject: Address | None,
        interests: Interests,
        carry: Callable[[list[Carry]], None],
        *,
        greeted: bool,
        ends_tls: bool,
    ) -> None:
        """Begin to follow a session.

        Args:
            subject: Whose transactions these are where no judgement says so; None: nobody's.
            interests: Who wants to know.
            carry: Does to the connections what a judgement, which came later, demands.
            greeted: Whether greeting and EHLO are over.
            ends_tls: Whether STARTTLS is answered by the filter.
        """
        judges = interests.judge is not None
        self._smtp = Smtp(judge_headers=judges, greeted=greeted, ends_tls=ends_tls)
        self._client = self._subject = subject
        self._interests = interests
        self._carry = carry
        self._transactions = Transactions()
        self._task: asyncio.Task[None] | None = None
        self.judging = False

    @property
    def wants_client_data(self) -> bool:
        """Whether the client may go on sending."""
        return self._smtp.wants_client_data

    @property
    def withholds(self) -> bool:
        """Whether bytes of the client wait until a reply of Postfix says how to read them."""
        return self._smtp.withholds

    def from_client(self, data: bytes) -> list[Carry]:
        """Take bytes of the client; return what is to be done."""
        return self._note(self._smtp.from_client(data))

    def from_server(self, data: bytes) -> list[Carry]:
        """Take bytes of Postfix; return what is to be done."""
        return self._note(self._smtp.from_server(data))

    def tls_begun(self) -> None:
        """The handshake was made that was asked for."""
        self._smtp.tls_begun()

    def close(self) -> None:
        """The session is over."""
        if self._task is not None:
            self._task.cancel()
        self._account(self._transactions.leave())

    def _note(self, events: list[Event]) -> list[Carry]:
        """Take notice of events; return what is to be done."""
        orders: list[Carry] = []
        verdict = None
        for event in events:
            match event:
                case ToServer() | ToClient() | CloseServer() | CloseClient() | BeginTls():
                    orders.append(event)
                case HeadersComplete():
                    verdict = self._ask(event.section)
                case TlsBegun():
                    self._interests.unseen("tls")
                case Lost():
                    self._interests.unseen(event.reason)
                case _:
                    self._account(self._transactions.take(event))
        return orders if verdict is None else orders + self._judged(verdict)

    def _account(self, transaction: Transaction | None) -> None:
        if transaction is None:
            return
        try:
            self._interests.transaction(self._subject, transaction)
        except Exception:  # a reply of Postfix that is kept back would have the mail sent again
            log.exception("a transaction could not be counted")
        self._subject = self._client  # the judgement was of this transaction alone

    def _ask(self, section: bytes) -> Verdict | None:
        """Have a message judged; None: that takes a while, or is nobody's wish."""
        if self._interests.judge is None:
            return None
        try:
            judgement = self._interests.judge(section, self._transactions.sender)
        except Exception:  # as in _await
            return _unjudged()
        if isinstance(judgement, Verdict):
            return judgement
        self.judging = True
        self._task = asyncio.get_running_loop().create_task(self._await(judgement))
        return None

    async def _await(self, judgement: Awaitable[Verdict]) -> None:
        try:
            verdict = await judgement
        except Exception:  # whatever it is, the message must not wait for ever
            verdict = _unjudged()
        self.judging = False
        self._carry(self._judged(verdict))

    def _judged(self, verdict: Verdict) -> list[Carry]:
        """Go on with a message; return what is to be done."""
        self._subject = verdict.subject
        smtp, reply = self._smtp, verdict.reply
        return self._note(smtp.judge_pass() if reply is None else smtp.judge_refuse(reply))


def _unjudged() -> Verdict:
    log.exception("a message could not be judged, and passes")
    return Verdict(None, None)
