"""The settings of the IP Profiler's four rules.

The vendor's terms and example are kept: one hour, 20 %, 100 messages; a harvest is a message to
more than 10 recipients of whom more than 5 do not exist.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from sender_filter.core.profiler.window import BUCKETS

RuleName = Literal["spam", "virus", "bounced", "harvest"]
Enabled = Literal["off", "shadow", "on"]


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule: ``[profiler.spam]``, ``[profiler.virus]``, ``[profiler.bounced]``.

    Attributes:
        enabled: ``on`` blocks, ``shadow`` only says whom it would block, ``off`` does nothing.
        period_hours: How far back messages are counted.
        rate_percent: The share of bad messages must be above this.
        total_messages: There must be more messages than this in the period.
        action: Whether a block is ``temporary`` (421) or ``permanent`` (554).
        block_hours: How long a temporary block lasts.
    """

    enabled: Enabled = "off"
    period_hours: Annotated[int, Meta(ge=1, le=168)] = 1
    rate_percent: Annotated[float, Meta(ge=0, lt=100)] = 20
    total_messages: Annotated[int, Meta(ge=0, le=1_000_000)] = 100
    action: Literal["temporary", "permanent"] = "temporary"
    block_hours: Annotated[float, Meta(gt=0, le=8760)] = 1

    @property
    def width(self) -> int:
        """Seconds a bucket of the period."""
        return self.period_hours * 3600 // BUCKETS


class HarvestRule(Rule, frozen=True, forbid_unknown_fields=True):
    """``[profiler.harvest]``: directory harvest attacks.

    Attributes:
        most_recipients: A message to more recipients than this may be a harvest …
        most_unknown: … and is one if more of them than this do not exist.
    """

    most_recipients: Annotated[int, Meta(ge=0, le=1000)] = 10
    most_unknown: Annotated[int, Meta(ge=0, le=1000)] = 5


class Rules(Struct, frozen=True, forbid_unknown_fields=True):
    """``[profiler]``: the four rules."""

    spam: Rule = field(default_factory=Rule)
    virus: Rule = field(default_factory=Rule)
    bounced: Rule = field(default_factory=Rule)
    harvest: HarvestRule = field(default_factory=HarvestRule)

    @property
    def mode(self) -> Enabled:
        """What is most that any rule does."""
        modes = {rule.enabled for rule in self.enabled().values()}
        return "on" if "on" in modes else "shadow" if modes else "off"

    def enabled(self) -> dict[RuleName, Rule]:
        """The rules that are not off, by name."""
        named: dict[RuleName, Rule] = {
            "spam": self.spam,
            "virus": self.virus,
            "bounced": self.bounced,
            "harvest": self.harvest,
        }
        return {name: rule for name, rule in named.items() if rule.enabled != "off"}
