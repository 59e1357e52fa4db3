"""Whose a client is where several workers serve: always the same one's.

What an address does is exact only where one process counts it. So each address, with all that is
counted as it (``core.subject``), belongs to one of the workers, and so does each envelope sender.
"""

from typing import NamedTuple
from zlib import crc32

from sender_filter.core.addresses import BITS
from sender_filter.core.networks import Network
from sender_filter.core.subject import Sender


class Shares(NamedTuple):
    """How many workers there are."""

    workers: int

    def of(self, subject: Network | Sender) -> int:
        """The number of the worker that a subject belongs to; the same in each process."""
        if self.workers == 1:
            return 0
        return crc32(_bytes(subject)) % self.workers


def _bytes(subject: Network | Sender) -> bytes:
    if isinstance(subject, Sender):
        return subject.mailbox.encode("utf-8", "backslashreplace")
    return subject.value.to_bytes(BITS[subject.version] // 8, "big")
