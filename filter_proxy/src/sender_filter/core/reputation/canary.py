"""Whether a zone may be believed: its test points (RFC 5782 section 5).

A list must contain 127.0.0.2 and must not contain 127.0.0.1 (for IPv6 ::FFFF:7F00:2 and
::FFFF:7F00:1), and who uses it should check (section 7). A list that has ended, and answers
"listed" for everything to be noticed, fails here and stops no mail.
"""

from typing import Literal, NamedTuple

from sender_filter.core.addresses import MAPPED, Address
from sender_filter.core.reputation import question
from sender_filter.core.reputation.zone import Reading, Zone

RETRY_SECONDS = 15.0

State = Literal["untested", "trusted", "distrusted", "silent"]
"""Not tested yet, passed, failed by what it said, or failed by saying nothing of use."""

_LISTED = {4: Address(4, 0x7F000002), 6: Address(6, MAPPED | 0x7F000002)}
_UNLISTED = {4: Address(4, 0x7F000001), 6: Address(6, MAPPED | 0x7F000001)}


class Trust(NamedTuple):
    """How a zone did in its last test, and why it may not be asked."""

    state: State = "untested"
    reason: str | None = None


def names(zone: Zone, version: int) -> tuple[str, str]:
    """The names to ask for: the test point that must be listed, then the one that must not."""
    return (
        question.name(_LISTED[version], zone.name),
        question.name(_UNLISTED[version], zone.name),
    )


def judge(version: int, listed: Reading, unlisted: Reading) -> Trust:
    """Judge a zone by what it said about its two test points."""
    for point, reading in ((_UNLISTED[version], unlisted), (_LISTED[version], listed)):
        if reading.result == "failed":
            return Trust("silent", f"test point {point}: {reading.reason}")
    # A list that lists the world is told apart from one that lists nothing: it comes first.
    if unlisted.codes:
        return Trust("distrusted", f"test point {_UNLISTED[version]} is listed")
    if listed.result == "not_listed":
        said = f"with a code that is not allowed, {', '.join(listed.codes)}"
        return Trust(
            "distrusted",
            f"test point {_LISTED[version]} is {said if listed.codes else 'not listed'}",
        )
    return Trust("trusted")


def pause(trust: Trust, canary_seconds: float) -> float:
    """Seconds until the next test; sooner if there was no answer."""
    return min(RETRY_SECONDS, canary_seconds) if trust.state == "silent" else canary_seconds
