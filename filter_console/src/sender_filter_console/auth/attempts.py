"""How often a wrong password may be tried.

Two counts, and no lock. An address that has failed too often waits, whomever it claims to be. An
account that was tried too often waits too, wherever the attempts come from, but not at an address
from which its owner has logged in before: so a stranger who tries passwords all day does not keep
him out. Every wait ends by itself.
"""

from collections import OrderedDict
from typing import NamedTuple

FREE_FAILURES = 5
"""So many wrong passwords cost nothing: people mistype."""

FIRST_WAIT = 4.0
LONGEST_WAIT = 300.0
FORGET_SECONDS = 1800.0
"""After so long without a failure all is forgotten."""

MOST_REMEMBERED = 10_000
MOST_HOMES = 20


class _Failures(NamedTuple):
    times: int
    last: float

    def until(self) -> float:
        """When the next attempt may be made."""
        over = self.times - FREE_FAILURES
        return self.last + min(FIRST_WAIT * 2.0 ** min(over, 30), LONGEST_WAIT) if over >= 0 else 0


class _Counts:
    """Failures by key; of too many keys the one that has failed longest ago is forgotten."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        failures = self._failures.get(key)
        return 0.0 if failures is None else max(0.0, failures.until() - now)

    def add(self, key: str, now: float) -> None:
        before = self._failures.pop(key, None)
        known = before.times if before and now - before.last < FORGET_SECONDS else 0
        self._failures[key] = _Failures(known + 1, now)
        if len(self._failures) > MOST_REMEMBERED:
            self._failures.popitem(last=False)

    def take_back(self, key: str) -> None:
        """It was none after all."""
        if failures := self._failures.get(key):
            self._failures[key] = failures._replace(times=failures.times - 1)

    def forget(self, key: str) -> None:
        self._failures.pop(key, None)


class Attempts:
    """Who has failed to log in of late, and who has succeeded from where."""

    def __init__(self) -> None:
        """Begin without any memory."""
        self._addresses = _Counts()
        self._accounts = _Counts()
        self._homes: dict[str, OrderedDict[str, None]] = {}

    def wait(self, name: str, address: str, now: float) -> float:
        """How many seconds this attempt has to wait; 0: it may be made."""
        wait = self._addresses.wait(address, now)
        if address in self._homes.get(name, ()):
            return wait
        return max(wait, self._accounts.wait(name, now))

    def begin(self, name: str, address: str, now: float) -> None:
        """Count an attempt as failed until it has succeeded.

        Those that are made at once would all be free if they were counted when they have failed.
        """
        self._addresses.add(address, now)
        self._accounts.add(name, now)

    def succeeded(self, name: str, address: str) -> None:
        """Forget what this address got wrong, and remember that the account is at home there."""
        self._addresses.forget(address)
        self._accounts.take_back(name)
        homes = self._homes.setdefault(name, OrderedDict())
        homes[address] = None
        homes.move_to_end(address)
        if len(homes) > MOST_HOMES:
            homes.popitem(last=False)
