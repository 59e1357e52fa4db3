"""From the answers of all zones to a verdict and a reply."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from sender_filter.core.addresses import Address
from sender_filter.core.records import Action
from sender_filter.core.replies import Reply
from sender_filter.core.reputation.settings import Reputation

_PERMANENT, _TEMPORARY = 550, 450


class ZoneResult(NamedTuple):
    """What one zone had to say.

    Attributes:
        zone: Its name.
        result: What it said; ``failed``: nothing of use, ``skipped``: it was not asked.
        codes: The return codes.
        micros: How long the client waited for it, in microseconds.
        cache: Where the answer came from: ``hit``: kept, ``stale``: kept, its time is over.
        reason: The list's own text (TXT), or why it failed or was skipped.
    """

    zone: str
    result: Literal["listed", "not_listed", "failed", "skipped"]
    codes: tuple[str, ...] = ()
    micros: int = 0
    cache: Literal["hit", "miss", "stale"] = "miss"
    reason: str | None = None


class Verdict(NamedTuple):
    """What all zones together mean for a client.

    Attributes:
        result: ``listed``: the score reached the threshold; ``failed``: it could have, had the
            zones that failed listed the client.
        action: What is to be done.
        score: The sum of the weights of the zones that list the client.
        zones: What each zone said, in the order of the settings.
    """

    result: Literal["listed", "not_listed", "failed"]
    action: Action
    score: int
    zones: tuple[ZoneResult, ...]


def decide(settings: Reputation, results: Iterable[ZoneResult]) -> Verdict:
    """Weigh the answers.

    A refusal is permanent if any zone that counts is: the operator trusts that list so far, and
    a second list that agrees makes the case stronger, not weaker. A zone of weight 0 never
    counts. A skipped zone is not one that failed: a list that lost its trust must not defer
    all mail for as long as it stays in the settings.
    """
    zones = tuple(results)
    known = {zone.name: zone for zone in settings.zones}
    listing = [known[each.zone] for each in zones if each.result == "listed"]
    score = sum(zone.weight for zone in listing)
    if score >= settings.threshold:
        permanent = any(zone.action == "permanent" and zone.weight for zone in listing)
        return Verdict("listed", _action(settings, permanent=permanent), score, zones)
    missing = sum(known[each.zone].weight for each in zones if each.result == "failed")
    if missing and score + missing >= settings.threshold:
        return Verdict("failed", settings.on_failure, score, zones)
    return Verdict("not_listed", "pass", score, zones)


def reply(settings: Reputation, verdict: Verdict, address: Address) -> Reply | None:
    """What a refused client is told; None to one that passes.

    550 and 450 (RFC 5321 section 4.2.3) with 5.7.1 or 4.7.1 (RFC 3463 section 3.8), 451 and
    4.4.3 (directory server failure, section 3.5) where no list could answer.
    """
    if verdict.action == "pass":
        return None
    if verdict.result == "failed":
        text = f"Service unavailable; client [{address}] cannot be checked now, try again later"
        return Reply(451, "4.4.3", text)
    code = settings.reply_code or (_PERMANENT if verdict.action == "permanent" else _TEMPORARY)
    return Reply(
        code, f"{code // 100}.7.1", settings.reply_text or _why(settings, verdict, address)
    )


def _action(settings: Reputation, *, permanent: bool) -> Action:
    """The action; a code of the operator's own decides, so that record and reply agree."""
    if settings.reply_code is not None:
        permanent = settings.reply_code >= 500
    return "permanent" if permanent else "temporary"


def _why(settings: Reputation, verdict: Verdict, address: Address) -> str:
    """The text for a listed client: the first zone that counts, with the list's own words."""
    counts = {zone.name for zone in settings.zones if zone.weight}
    first = next(each for each in verdict.zones if each.result == "listed" and each.zone in counts)
    why = f"Service unavailable; client [{address}] blocked using {first.zone}"
    return f"{why}; {first.reason}" if first.reason else why
