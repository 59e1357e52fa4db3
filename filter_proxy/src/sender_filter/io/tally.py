"""How often what was decided, and how long each check took."""

from bisect import bisect_left
from collections import Counter

from sender_filter.core.policy import Decision
from sender_filter.core.records import Action, Function
from sender_filter.io.messages.status import CheckFigures

_MICROS = (10, 100, 1_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 3_000_000, 10_000_000)
BUCKETS = [*(str(micros / 1e6) for micros in _MICROS), "+Inf"]
"""Up to how many seconds a check has taken that is counted there, as Prometheus writes it."""


class Tally:
    """Counts decisions and checks in plain numbers, which the library's own counters lock.

    Attributes:
        decided: How often each function has decided what.
    """

    def __init__(self) -> None:
        """Nothing was decided yet."""
        self.decided: Counter[tuple[Function, Action]] = Counter()
        self._checks: dict[Function, list[int]] = {}
        self._micros: Counter[Function] = Counter()

    def count(self, decision: Decision) -> None:
        """A decision was made."""
        self.decided[decision.function, decision.action] += 1
        for check in decision.checks:
            function, micros = check.function, check.micros
            buckets = self._checks.get(function)
            if buckets is None:
                buckets = self._checks[function] = [0] * len(BUCKETS)
            buckets[bisect_left(_MICROS, micros)] += 1
            self._micros[function] += micros

    def checks(self) -> list[CheckFigures]:
        """How long checks took."""
        return [
            CheckFigures(function, list(buckets), self._micros[function])
            for function, buckets in self._checks.items()
        ]
