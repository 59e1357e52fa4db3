"""Whether a client keeps its session going, or only keeps it.

An honest client is never the loser. RFC 5321 section 4.5.3.2 lets a client take five minutes for a
command (4.5.3.2.7), and Postfix ten minutes for the answer to a message (4.5.3.2.6); so silence
counts against a client only when it was Postfix who spoke last. A client that has sent something
may be waiting for Postfix: as long as nothing more comes from it, it has the benefit of the doubt,
for the ten minutes. That it was still sending is known when more bytes come, and then the time
in between was its own.

Without load a client may send as slowly as it likes, for nobody needs its place. Under load it
has to keep up with a rate, as in Postfix (``smtpd_per_request_deadline``, ``smtpd_min_data_rate``;
they are in force when Postfix is under stress, too): of each request it may fall behind by some
seconds. Bytes above the rate make up for what it is behind, and save nothing up. What
nobody reads, because Postfix does not take it or a judgement is awaited, is not asked for.

Only counts of bytes are looked at, once in a while, and who was the last to send any, so that TLS
makes no difference, and passing bytes on costs next to nothing more.
"""

from typing import Literal, NamedTuple

LONGEST_WAIT = 600.0
"""How long both sides may be silent when the client spoke last (RFC 5321 section 4.5.3.2.6)."""

Lateness = Literal["silent", "slow"]
"""silent: nothing is said; slow: what is sent comes by drops."""


class Patience(NamedTuple):
    """How much is borne with a client.

    Attributes:
        silence: For how many seconds it may say nothing when it is its turn.
        behind: By how many seconds it may be behind the rate; None: there is no rate now.
    """

    silence: float
    behind: float | None


class Traffic(NamedTuple):
    """How far a session is.

    Attributes:
        sent: Bytes that the client has sent in all.
        heard: Bytes that Postfix has sent in all.
        answered: Whether it was Postfix who sent the last ones.
    """

    sent: int
    heard: int
    answered: bool


_NOTHING_YET = Traffic(0, 0, answered=False)


class Pace:
    """How one client is doing."""

    __slots__ = ("_behind", "_last", "_quiet")

    def __init__(self) -> None:
        """Begin before the greeting, which is Postfix's turn."""
        self._last = _NOTHING_YET
        self._quiet = 0.0
        self._behind = 0.0

    def look(self, seconds: float, traffic: Traffic, rate: float) -> None:
        """Take notice of how far the session is.

        Args:
            seconds: Since the last look.
            traffic: How far it is.
            rate: Bytes a second that a client should send.
        """
        last, self._last = self._last, traffic
        more = traffic.sent - last.sent
        if traffic.heard != last.heard:
            self._behind = self._quiet = 0.0
        elif more:
            self._behind = max(0.0, self._behind + self._quiet + seconds - more / rate)
            self._quiet = 0.0
        else:
            self._quiet += seconds

    def lateness(self, patience: Patience) -> Lateness | None:
        """What is wrong with the client, if anything is."""
        silence = patience.silence
        if not self._last.answered:
            silence = max(silence, LONGEST_WAIT)
        if self._quiet > silence:
            return "silent"
        if patience.behind is not None and self._behind > patience.behind:
            return "slow"
        return None
