"""The circuit breaker of one zone: a dead list costs nobody's time.

Closed, it lets every question through. After some failures in a row it opens: no question for
a while, then one as a trial. A trial that works closes it, one that fails or never reports
leaves it open for another while.
"""

FAILURES = 5
OPEN_SECONDS = 30.0


class Breaker:
    """Counts failures and says whether to ask."""

    def __init__(self) -> None:
        """Start closed."""
        self._failures = 0
        self._trial_at = 0.0

    @property
    def open(self) -> bool:
        """Whether questions are held back."""
        return self._failures >= FAILURES

    def may_ask(self, now: float) -> bool:
        """Whether a question could be asked now; to look takes no trial."""
        return not self.open or now >= self._trial_at

    def allows(self, now: float) -> bool:
        """Whether the question that comes now is asked; while open, true once for each trial."""
        if not self.may_ask(now):
            return False
        if self.open:
            self._trial_at = now + OPEN_SECONDS
        return True

    def succeeded(self) -> None:
        """Take notice of an answer."""
        self._failures = 0

    def failed(self, now: float) -> None:
        """Take notice of a failure; those asked before it opened do not keep it open longer."""
        if self.open:
            return
        self._failures += 1
        self._trial_at = now + OPEN_SECONDS
