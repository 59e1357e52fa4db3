"""How many sessions each client has now.

Counted as behaviour is (``core.subject``): an IPv6 client with its /64, for whoever has one of its
addresses has them all.
"""

from collections import Counter

from sender_filter.core.addresses import Address
from sender_filter.core.networks import Network
from sender_filter.core.subject import Subjects


class Crowd:
    """The clients that are here. It remembers nobody who has left."""

    def __init__(self) -> None:
        """Nobody is here."""
        self._subjects = Subjects()
        self._present: Counter[Network] = Counter()

    def enter(self, address: Address) -> None:
        """A session of this client begins."""
        self._present[self._subjects.of(address)] += 1

    def leave(self, address: Address) -> None:
        """A session of this client is over."""
        subject = self._subjects.of(address)
        self._present[subject] -= 1
        if not self._present[subject]:
            del self._present[subject]

    def count(self, address: Address) -> int:
        """How many sessions the client has."""
        return self._present[self._subjects.of(address)]

    def __len__(self) -> int:
        """How many clients are here."""
        return len(self._present)
