"""The IP Profiler: what each address has sent, and which rule it violates.

It blocks nobody. A finding that is ``violated`` is to become a block (``runtime_lists``) if its
rule is ``on``, and a line of the log if it is ``shadow``.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from sender_filter.core.addresses import Address
from sender_filter.core.networks import Network
from sender_filter.core.profiler.judgement import Finding, judge
from sender_filter.core.profiler.profile import Additions, Profile
from sender_filter.core.profiler.rules import Rule, RuleName, Rules
from sender_filter.core.profiler.window import in_period
from sender_filter.core.subject import Subjects, holds

MOST_ADDRESSES = 100_000

Kind = Literal["message", "spam", "virus", "bounced", "recipient_accepted", "recipient_refused"]


class Seen(NamedTuple):
    """Something an address did.

    Attributes:
        address: The client.
        at: When this became known: now, in seconds since the epoch.
        kind: A ``message`` was taken; one was found to be ``spam``, a ``virus`` or ``bounced``
            (it was counted as a message before); a recipient was accepted or does not exist.
        first: Of a recipient, whether it is its transaction's first. Who cannot tell (a line of
            Postfix's log) leaves it true: each recipient is then a transaction of its own.
    """

    address: Address
    at: float
    kind: Kind
    first: bool = True


class CountRow(NamedTuple):
    """What one gateway has counted about one address in one bucket, as absolute numbers.

    Writing a row twice changes nothing and rows of different sources are added, so that nothing
    is ever counted double.

    Attributes:
        subject: The address.
        source: Who counted: the gateway, and which life of its process.
        width: Seconds a bucket.
        bucket: The bucket's number since the epoch.
        counts: The counters, in the order of ``profile.COLUMNS``.
    """

    subject: Network
    source: str
    width: int
    bucket: int
    counts: tuple[int, ...]


class Profiler:
    """The profiles of the addresses that were seen last."""

    def __init__(
        self,
        rules: Rules,
        source: str,
        subjects: Subjects = Subjects(),  # noqa: B008
        most: int = MOST_ADDRESSES,
    ) -> None:
        """Know nobody.

        Args:
            rules: The settings.
            source: Who counts here; unique for each process, for two may run side by side.
            subjects: What counts as one address.
            most: Most addresses remembered; those that were not seen for longest are forgotten.
        """
        self.source = source
        self._subjects = subjects
        self._most = most
        self._profiles: OrderedDict[Network, Profile] = OrderedDict()
        self._changed: dict[tuple[Network, int, int], None] = {}
        self._enabled: dict[RuleName, Rule] = {}
        self.change(rules)

    def change(self, rules: Rules) -> None:
        """Judge by other settings from now on; counters of a period that stays are kept.

        A rule that is another one now may fire at once: what it found in ``shadow`` blocked nobody.
        """
        self._rules = rules
        former, self._enabled = self._enabled, rules.enabled()
        others = [name for name, rule in former.items() if rule != self._enabled.get(name)]
        for profile in self._profiles.values() if others else ():
            profile.unmute(others)
        self.widths = frozenset(rule.width for rule in self._enabled.values())

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._profiles)

    def seen(self, event: Seen) -> list[Finding]:
        """Count an event.

        Returns:
            The rules that the address now violates, each once until its block would be over.
        """
        if not self._enabled:
            return []
        subject = self._subjects.of(event.address)
        profile = self._profile(subject)
        if additions := self._additions(profile, event):
            for width in self.widths:
                bucket = int(event.at) // width
                profile.count(width, bucket, additions)
                self._changed[subject, width, bucket] = None
        if profile.innocent:
            return []
        return [
            finding
            for finding in self._findings(subject, profile, event.at)
            if finding.violated and _not_yet(profile, finding, event.at)
        ]

    def look(self, address: Address, now: float) -> list[Finding]:
        """The rules whose rate an address is above, for people."""
        subject = self._subjects.of(address)
        profile = self._profiles.get(subject)
        return [] if profile is None else list(self._findings(subject, profile, now))

    def figures(self, address: Address, now: float) -> dict[RuleName, tuple[int, int]]:
        """What each enabled rule has counted of an address: bad ones, and all."""
        profile = self._profiles.get(self._subjects.of(address))
        return {} if profile is None else dict(self._figures(profile, now))

    def subjects(self) -> list[Network]:
        """The addresses that are remembered now."""
        return list(self._profiles)

    def suspicious(self, subjects: Iterable[Network], now: float) -> Iterator[Finding]:
        """Those of some addresses that are above a rule's rate, but not above its total."""
        for subject in subjects:
            profile = self._profiles.get(subject)
            for finding in () if profile is None else self._findings(subject, profile, now):
                if not finding.violated:
                    yield finding

    def forget(self, network: Network) -> None:
        """Forget each address of a network, and the subject that a single address belongs to."""
        subject = self._subjects.of(Address(network.version, network.value))
        if network.prefix >= subject.prefix:
            self._profiles.pop(subject, None)
            return
        for known in [known for known in self._profiles if holds(network, known)]:
            del self._profiles[known]

    def changed(self) -> list[CountRow]:
        """The rows of this gateway that have changed since this was asked for last."""
        changed, self._changed = self._changed, {}
        return [row for key in changed if (row := self._row(*key)) is not None]

    def rows(self, now: float) -> Iterator[CountRow]:
        """All rows of this gateway that are in their period."""
        for subject, profile in self._profiles.items():
            for width, window in profile.own.items():
                for bucket, counts in window.rows():
                    if in_period(bucket, int(now) // width):
                        yield CountRow(subject, self.source, width, bucket, counts)

    def merge(self, rows: Iterable[CountRow], now: float) -> None:
        """Take over what others have counted; what was counted here is not changed by it."""
        for row in rows:
            if row.source == self.source or row.width not in self.widths:
                continue
            newest = int(now) // row.width
            if in_period(row.bucket, newest):
                profile = self._profile(row.subject)
                profile.put(row.source, row.width, row.bucket, row.counts, newest)

    def _profile(self, subject: Network) -> Profile:
        """The address' profile, which is now the one seen last."""
        profile = self._profiles.get(subject)
        if profile is None:
            profile = self._profiles[subject] = Profile()
            if len(self._profiles) > self._most:
                self._profiles.popitem(last=False)
        else:
            self._profiles.move_to_end(subject)
        return profile

    def _additions(self, profile: Profile, event: Seen) -> Additions:
        if event.kind == "recipient_accepted" or event.kind == "recipient_refused":
            if "harvest" not in self._enabled:
                return []
            unknown = event.kind == "recipient_refused"
            rule = self._rules.harvest
            return profile.recipient(rule, event.at, unknown=unknown, first=event.first)
        return [(event.kind, 1)]

    def _findings(self, subject: Network, profile: Profile, now: float) -> Iterator[Finding]:
        for name, (bad, total) in self._figures(profile, now):
            finding = judge(subject, name, self._enabled[name], bad, total)
            if finding is not None:
                yield finding

    def _figures(self, profile: Profile, now: float) -> Iterator[tuple[RuleName, tuple[int, int]]]:
        sums = {width: profile.sums(width, int(now) // width) for width in self.widths}
        for name, rule in self._enabled.items():
            counts = sums[rule.width]
            total = counts["transaction" if name == "harvest" else "message"]
            yield name, (counts[name], total)

    def _row(self, subject: Network, width: int, bucket: int) -> CountRow | None:
        profile = self._profiles.get(subject)
        window = None if profile is None else profile.own.get(width)
        counts = None if window is None else window.row(bucket)
        return None if counts is None else CountRow(subject, self.source, width, bucket, counts)


def _not_yet(profile: Profile, finding: Finding, at: float) -> bool:
    """Whether the rule has not fired for this address before; it has now."""
    if profile.quiet is None:
        profile.quiet = {}
    if at < profile.quiet.get(finding.name, at):
        return False
    until = finding.until(at)
    profile.quiet[finding.name] = float("inf") if until is None else until
    return True
