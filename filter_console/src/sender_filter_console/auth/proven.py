"""Passwords that were right a moment ago.

A program that sends its password with each request (Basic) would otherwise wait for a slow hash
each time. What is kept is a digest with a key of this process; it tells nothing without that.
"""

import hashlib
import hmac
import secrets

from sender_filter_console.auth.users import User

KEEP_SECONDS = 300.0
_MOST = 200


class Proven:
    """Who has shown which password, and from where, in the last minutes."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._key = secrets.token_bytes(32)
        self._users: dict[bytes, tuple[User, float]] = {}

    def digest(self, name: str, password: str, address: str) -> bytes:
        """What stands for a name, a password and an address."""
        text = "\0".join((name, address, password))
        return hmac.digest(self._key, text.encode(), hashlib.sha256)

    def get(self, digest: bytes, now: float) -> User | None:
        """The user who has proven this."""
        user, until = self._users.get(digest, (None, 0.0))
        return user if now < until else None

    def add(self, digest: bytes, user: User, now: float) -> None:
        """Note that it was right."""
        while len(self._users) >= _MOST:
            del self._users[next(iter(self._users))]
        self._users[digest] = (user, now + KEEP_SECONDS)
