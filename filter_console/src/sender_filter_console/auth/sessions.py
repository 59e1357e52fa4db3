"""Sessions, kept by the server: a cookie holds nothing but a random id.

They live in memory. A restart of the console ends them, and so does what the operator expects to
end them: a log-out, an hour of silence, a working day.
"""

import hashlib
import secrets
from dataclasses import dataclass, field

from sender_filter_console.auth.users import User

IDLE_SECONDS = 3600.0
LONGEST_SECONDS = 10 * 3600.0
MOST_SESSIONS = 1000
_ID_BYTES = 32


@dataclass(slots=True)
class Session:
    """One log-in.

    Attributes:
        user: Who.
        csrf: What a form of this session carries, and a form of another site cannot know.
        began: When.
        seen: When its user did something last.
        notes: What the next page has to say.
    """

    user: User
    csrf: str
    began: float
    seen: float
    notes: list[str] = field(default_factory=list)


class Sessions:
    """All log-ins in force, by a digest of their ids: memory that leaks tells no id."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._sessions: dict[bytes, Session] = {}

    def open(self, user: User, now: float) -> str:
        """Begin a session, always with a new id, and return that."""
        self._sweep(now)
        session_id = secrets.token_urlsafe(_ID_BYTES)
        csrf = secrets.token_urlsafe(_ID_BYTES)
        self._sessions[_digest(session_id)] = Session(user, csrf, now, now)
        return session_id

    def get(self, session_id: str, now: float, *, touch: bool = True) -> Session | None:
        """The session of an id, if it is not over.

        Args:
            session_id: What the cookie holds.
            now: Seconds since the epoch.
            touch: Whether its user has done something; a page that renews itself has not.
        """
        key = _digest(session_id)
        session = self._sessions.get(key)
        if session is None:
            return None
        if now >= _end(session):
            del self._sessions[key]
            return None
        if touch:
            session.seen = now
        return session

    def close(self, session_id: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(session_id), None)

    def _sweep(self, now: float) -> None:
        over = [key for key, session in self._sessions.items() if now >= _end(session)]
        for key in over:
            del self._sessions[key]
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].seen)]


def _end(session: Session) -> float:
    """When it is over, unless its user does something."""
    return min(session.seen + IDLE_SECONDS, session.began + LONGEST_SECONDS)


def _digest(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode()).digest()
