"""Which messages came in one connection of a client: Postfix makes one here for each of them."""

from collections import OrderedDict

from sender_filter.core.inline.xforward import Client

VISIT_SECONDS = 600.0
"""How long after a message another one may be of the same visit: Postfix waits 300 s for a command
(``smtpd_timeout``), and the message takes a while itself."""

MOST_VISITS = 100_000


class Visits:
    """Remembers addresses and ports for a while; those not seen for longest are forgotten first.

    A client whose port is not known counts as one who stays.
    """

    def __init__(self, seconds: float = VISIT_SECONDS, most: int = MOST_VISITS) -> None:
        """Know nobody, and never more than so many."""
        self._seconds = seconds
        self._most = most
        self._seen: OrderedDict[Client, float] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._seen)

    def begins(self, client: Client, now: float) -> bool:
        """Note a message; tell whether it is the first one of a visit.

        Args:
            client: Who has sent it.
            now: Seconds on a clock that is never set.
        """
        while self._seen and next(iter(self._seen.values())) <= now - self._seconds:
            self._seen.popitem(last=False)
        new = client not in self._seen
        self._seen[client] = now
        self._seen.move_to_end(client)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return new
