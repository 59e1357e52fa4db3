"""What is known of one zone for one IP version, and what follows when it is asked.

Puts the parts of a zone together: whether it may be asked, what is still known, what an answer
or its absence means. The asking itself is not done here.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sender_filter.core.addresses import Address
from sender_filter.core.reputation import canary, zone
from sender_filter.core.reputation.breaker import Breaker
from sender_filter.core.reputation.cache import Cache, Hit, negative_seconds
from sender_filter.core.reputation.canary import State, Trust
from sender_filter.core.reputation.settings import Reputation
from sender_filter.core.reputation.verdict import ZoneResult
from sender_filter.core.reputation.zone import Reading, Zone

SUSPICIOUS_ROW = 10
"""So many listed clients in a row are reason to look at the test points before their time."""


class ZoneHealth(NamedTuple):
    """How a zone is doing for one IP version.

    Attributes:
        zone: Its name.
        version: 4 or 6.
        state: How it did in its last test.
        reason: Why that was no success.
        held_back: Whether its circuit breaker holds questions back.
        asked: Questions since the start.
        failed: Those without an answer of use.
        kept: Answers in the cache.
        failure: The last question that failed, if one has.
        seconds: How long an answer takes of late; None: none has come yet.
    """

    zone: str
    version: int
    state: State
    reason: str | None
    held_back: bool
    asked: int
    failed: int
    kept: int
    failure: "Failed | None"
    seconds: float | None


class Failed(NamedTuple):
    """When a question failed, by the clock that is handed in, and why."""

    at: float
    reason: str | None


class Entry:
    """An answer that is kept; its text comes later, and is empty if there is none."""

    __slots__ = ("codes", "text")

    def __init__(self, codes: tuple[str, ...]) -> None:
        """Keep the codes, the text not being known yet."""
        self.codes = codes
        self.text: str | None = None


class Source:
    """One zone as it is asked about addresses of one IP version.

    Attributes:
        zone: Its settings.
        version: 4 or 6.
        trust: How it did in its last test.
        breaker: Its circuit breaker.
        cache: Its answers.
        minimum: What its SOA says about negative answers, None if unknown.
        asked: Questions that were answered or failed.
        failed_count: Those of them that failed.
        failure: The last of these.
        seconds: How long an answer takes: an average in which the last one counts for an eighth,
            as in TCP's round-trip time (RFC 6298).
    """

    def __init__(self, settings: Reputation, zone: Zone, version: int) -> None:
        """Nothing is known yet."""
        self.zone = zone
        self.version = version
        self.trust = Trust()
        self.breaker = Breaker()
        self.cache: Cache[Address, Entry] = Cache(settings.cache_entries, settings.stale_seconds)
        self.minimum: float | None = None
        self.asked = 0
        self.failed_count = 0
        self.failure: Failed | None = None
        self.seconds: float | None = None
        self._bounds = settings.negative_seconds
        self._listed_in_a_row = 0

    @property
    def suspicious(self) -> bool:
        """Whether it listed so many in a row that it should be tested."""
        return self._listed_in_a_row >= SUSPICIOUS_ROW

    def change(self, settings: Reputation, zone: Zone) -> bool:
        """Take other settings and keep the answers.

        Returns:
            Whether it must be tested anew, its return codes having changed.
        """
        self.cache.resize(settings.cache_entries, settings.stale_seconds)
        self._bounds = settings.negative_seconds
        former, self.zone = self.zone, zone
        if former.codes == zone.codes:
            return False
        self.trust = Trust()
        return True

    def tested(self, listed: Reading, unlisted: Reading) -> Trust:
        """Take the answers about the test points; returns how it did before."""
        before, self.trust = self.trust, canary.judge(self.version, listed, unlisted)
        self._listed_in_a_row = 0
        if self.trust.state == "distrusted":
            self.cache.clear()  # what it said lately may be as wrong as what it says now
        if self.trust.state == "trusted":
            self.breaker.succeeded()
        return before

    def recall(self, address: Address, now: float) -> ZoneResult | None:
        """What can be said without asking; None if the zone is to be asked."""
        if self.trust.state == "distrusted":
            return ZoneResult(self.zone.name, "skipped", reason=self.trust.reason)
        hit = self.cache.get(address, now)
        if hit is not None and not hit.stale:
            return self._kept(hit)
        if self.trust.state == "silent":
            return self.without_answer(address, self.trust.reason, now)
        return None if self.breaker.may_ask(now) else self._held_back(address, now)

    def begin(self, address: Address, now: float) -> ZoneResult | None:
        """What is said instead of asking; None: it is asked now, by the breaker's leave."""
        return None if self.breaker.allows(now) else self._held_back(address, now)

    def answered(
        self, address: Address, codes: Sequence[str], ttl: float, now: float
    ) -> ZoneResult:
        """Take an answer: keep it, and say what it means."""
        reading = zone.read(self.zone, codes)
        if reading.result == "failed":
            return self.failed(address, reading.reason, now)
        self.asked += 1
        self.breaker.succeeded()
        listed = reading.result == "listed"
        self._listed_in_a_row = self._listed_in_a_row + 1 if listed else 0
        seconds = max(ttl, 1) if codes else negative_seconds(self.minimum, self._bounds)
        self.cache.put(address, Entry(reading.codes), seconds, now)
        return ZoneResult(self.zone.name, reading.result, reading.codes)

    def took(self, seconds: float) -> None:
        """Take notice of how long an answer took."""
        self.seconds = (
            seconds if self.seconds is None else self.seconds + (seconds - self.seconds) / 8
        )

    def failed(self, address: Address, reason: str | None, now: float) -> ZoneResult:
        """Take notice that there was no answer of use, and make do without."""
        self.asked += 1
        self.failed_count += 1
        self.failure = Failed(now, reason)
        self.breaker.failed(now)
        return self.without_answer(address, reason, now)

    def without_answer(self, address: Address, reason: str | None, now: float) -> ZoneResult:
        """Make do with a stale answer (RFC 8767), or say why there is none."""
        hit = self.cache.get(address, now)
        if hit is not None:
            return self._kept(hit)
        return ZoneResult(self.zone.name, "failed", reason=reason)

    def needs_text(self, address: Address, result: ZoneResult, now: float) -> bool:
        """Whether the list has yet to be asked why it lists the address."""
        if result.result != "listed" or result.cache == "stale":
            return False
        hit = self.cache.get(address, now)
        return hit is not None and hit.value.text is None

    def explained(self, address: Address, text: bytes | None, now: float) -> None:
        """Take the list's text; None if it has none or does not say."""
        hit = self.cache.get(address, now)
        if hit is not None:
            hit.value.text = zone.clean(text or b"")

    def text(self, address: Address, now: float) -> str | None:
        """The list's text, as far as it is known."""
        hit = self.cache.get(address, now)
        return (hit.value.text or None) if hit is not None else None

    def health(self) -> ZoneHealth:
        """How it is doing."""
        (state, reason), held_back = self.trust, self.breaker.open
        name, counts = self.zone.name, (self.asked, self.failed_count, len(self.cache))
        rest = (held_back, *counts, self.failure, self.seconds)
        return ZoneHealth(name, self.version, state, reason, *rest)

    def _held_back(self, address: Address, now: float) -> ZoneResult:
        return self.without_answer(address, "not asked: it failed too often just now", now)

    def _kept(self, hit: Hit[Entry]) -> ZoneResult:
        """A kept answer, read by the settings of today."""
        reading = zone.read(self.zone, hit.value.codes)
        text = hit.value.text or None if reading.result == "listed" else None
        name, (result, codes, _) = self.zone.name, reading
        return ZoneResult(name, result, codes, 0, "stale" if hit.stale else "hit", text)
