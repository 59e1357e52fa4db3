"""``[reputation]``: which block lists are asked, and what follows from their answers."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sender_filter.core.reputation.zone import Zone

Seconds = Annotated[float, Meta(gt=0, le=3600)]
Servers = Annotated[tuple[str, ...], Meta(max_length=8)]
Zones = Annotated[tuple[Zone, ...], Meta(max_length=32)]
ReplyText = Annotated[str, Meta(min_length=1, max_length=300, pattern=r"^[ -~]+\Z")]
ReplyCode = Annotated[int, Meta(ge=400, le=599)]


class Reputation(Struct, frozen=True, forbid_unknown_fields=True):
    """``[reputation]``: DNS block lists; with no zone the function is off.

    Attributes:
        zones: The block lists, ``[[reputation.zones]]`` each.
        servers: DNS servers, ``address:port`` each; none: those of ``/etc/resolv.conf``.
        threshold: The sum of weights from which on a client is refused.
        deadline_seconds: How long a client waits for all zones together, at most.
        on_failure: What becomes of a client that zones without an answer could have refused.
        reply_code: Replaces the code of every refusal; a 4xx makes each of them temporary.
        reply_text: Replaces the text of every refusal.
        cache_entries: Answers kept for each zone and IP version.
        negative_seconds: Shortest and longest time for which "not listed" is remembered.
        stale_seconds: How long after its time an answer may still stand in for a silent zone.
        canary_seconds: Time between two tests of a zone's test points.
    """

    zones: Zones = ()
    servers: Servers = ()
    threshold: Annotated[int, Meta(ge=1, le=1000)] = 1
    deadline_seconds: Annotated[float, Meta(ge=0.1, le=30)] = 3.0
    on_failure: Literal["pass", "temporary"] = "pass"
    reply_code: ReplyCode | None = None
    reply_text: ReplyText | None = None
    cache_entries: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000
    negative_seconds: tuple[Seconds, Seconds] = (60.0, 3600.0)
    stale_seconds: Annotated[float, Meta(ge=0, le=604_800)] = 3600.0
    canary_seconds: Annotated[float, Meta(ge=1, le=86_400)] = 300.0

    def __post_init__(self) -> None:
        """Refuse what no single key shows to be wrong.

        Raises:
            ValueError: A zone is named twice, or the bounds are the wrong way round.
        """
        names = [zone.name for zone in self.zones]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"zone {twice[0]} is named twice"
            raise ValueError(msg)
        if self.negative_seconds[0] > self.negative_seconds[1]:
            msg = "negative_seconds: the shortest time comes first"
            raise ValueError(msg)
