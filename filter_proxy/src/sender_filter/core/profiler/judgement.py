"""Which rule an address violates.

Both limits are exclusive, as in the vendor's manual: the share must be *above* the rate and the
number of messages *above* the total. With 20 % and 100, 21 bad ones of 101 are a violation, and
20 of 100 or 100 of 100 are not. Whoever is above the rate but not above the total is suspicious.
"""

from typing import NamedTuple

from sender_filter.core.networks import Network
from sender_filter.core.profiler.rules import Rule, RuleName


class Finding(NamedTuple):
    """What a rule says about an address.

    Attributes:
        subject: The address or, with IPv6, its network.
        name: The rule.
        rule: Its settings.
        bad: Bad messages (of a harvest: transactions) in the period.
        total: All messages (transactions) in the period.
        violated: Whether the rule is violated; false: the address is merely suspicious.
    """

    subject: Network
    name: RuleName
    rule: Rule
    bad: int
    total: int
    violated: bool

    @property
    def percent(self) -> float:
        """The share of bad messages."""
        return 100 * self.bad / self.total

    def until(self, at: float) -> float | None:
        """When a block that starts ``at`` is over; None: never."""
        return None if self.rule.action == "permanent" else at + self.rule.block_hours * 3600

    def __str__(self) -> str:
        """The figures for people."""
        return (
            f"{self.name}: {self.bad} of {self.total} in {self.rule.period_hours} h, "
            f"{self.percent:.1f} %"
        )


def judge(subject: Network, name: RuleName, rule: Rule, bad: int, total: int) -> Finding | None:
    """Hold an address' counters against a rule; None if it is not above the rate."""
    # The total may have been counted in a bucket that is forgotten before the bad ones are.
    bad = min(bad, total)
    if bad * 100 <= rule.rate_percent * total:
        return None
    return Finding(subject, name, rule, bad, total, total > rule.total_messages)
