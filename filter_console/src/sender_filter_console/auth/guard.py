"""Logs people in and out, no faster than attempts are allowed."""

import asyncio
import base64
import binascii
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from sender_filter_console.auth.attempts import Attempts
from sender_filter_console.auth.proven import Proven
from sender_filter_console.auth.sessions import Session, Sessions
from sender_filter_console.auth.trail import Trail
from sender_filter_console.auth.users import Account, Accounts, User

_AT_ONCE = 2
"""So many passwords are hashed at a time, at 64 MiB each."""

_MOST_WAITING = 20
_BUSY_SECONDS = 2.0


class Refused(NamedTuple):
    """A login that was not.

    Attributes:
        wait: For how many seconds no attempt is looked at; 0: name or password are wrong.
    """

    wait: float


class Guard:
    """Knows the accounts, the sessions, and who has tried too often."""

    def __init__(
        self,
        accounts: Iterable[Account],
        trail: Trail,
        *,
        tls: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Guard these accounts.

        Args:
            accounts: Who may log in.
            trail: Where it is written who does.
            tls: Whether the console is reached by TLS.
            clock: Seconds since the epoch.
        """
        self.tls = tls
        # A browser takes a cookie with this prefix only from this host, and only by TLS.
        self.cookie = "__Host-session" if tls else "session"
        self._accounts = Accounts(accounts)
        self._trail = trail
        self._sessions = Sessions()
        self._attempts = Attempts()
        self._proven = Proven()
        self._clock = clock
        self._hashing = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def log_in(self, name: str, password: str, address: str) -> str | Refused:
        """Begin a session.

        Args:
            name: Who he says he is.
            password: His proof.
            address: Where he is.

        Returns:
            Its id.
        """
        proof = self._proven.digest(name, password, address)
        found = self._remembered(proof) or await self._prove(proof, name, password, address)
        if isinstance(found, Refused):
            return found
        self._trail.came(found.name, address, "session")
        return self._sessions.open(found, self._clock())

    async def verify(self, name: str, password: str, address: str) -> User | Refused:
        """Who this is, for one request; a program that asks all day has a line in a while."""
        proof = self._proven.digest(name, password, address)
        if known := self._remembered(proof):
            return known
        found = await self._prove(proof, name, password, address)
        if isinstance(found, User):
            self._trail.came(found.name, address, "basic")
        return found

    def log_out(self, session_id: str | None, address: str) -> None:
        """End a session because its user has said so."""
        if session := self.session(session_id, touch=False):
            self._trail.left(session.user.name, address)
        self.close(session_id)

    def session(self, session_id: str | None, *, touch: bool = True) -> Session | None:
        """The session of a cookie."""
        if not session_id:
            return None
        return self._sessions.get(session_id, self._clock(), touch=touch)

    def close(self, session_id: str | None) -> None:
        """End a session."""
        if session_id:
            self._sessions.close(session_id)

    def _remembered(self, proof: bytes) -> User | None:
        return self._proven.get(proof, self._clock())

    async def _prove(self, proof: bytes, name: str, password: str, address: str) -> User | Refused:
        """Look at a password, unless it is too early for that."""
        now = self._clock()
        wait = self._attempts.wait(name, address, now)
        if wait > 0 or self._waiting >= _MOST_WAITING:
            refused = Refused(wait or _BUSY_SECONDS)
            self._trail.held_back(self._accounts.known(name), address, refused.wait, now)
            return refused
        self._attempts.begin(name, address, now)
        user = await self._hash(name, password)
        if user is None:
            self._trail.failed(self._accounts.known(name), address)
            return Refused(0)
        self._attempts.succeeded(name, address)
        self._proven.add(proof, user, self._clock())
        return user

    async def _hash(self, name: str, password: str) -> User | None:
        self._waiting += 1
        try:
            async with self._hashing:
                return await asyncio.to_thread(self._accounts.verify, name, password)
        finally:
            self._waiting -= 1


def basic_credentials(authorization: str) -> tuple[str, str] | None:
    """Name and password of an ``Authorization: Basic`` header (RFC 7617)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon else None
