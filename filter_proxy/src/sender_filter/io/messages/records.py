"""What is said of records."""

from msgspec import Struct

from sender_filter.core.records import Record


class GatewayRecord(Struct, frozen=True):
    """A record and the gateway that it is from."""

    gateway: str
    record: Record


class Records(Struct, frozen=True, tag_field="answer", tag="records"):
    """Records from a cursor on, in the order in which they were written.

    Attributes:
        records: At most as many as were asked for, and perhaps fewer.
        cursor: Where to go on; it is to be handed back as it is.
        more: Whether there are more already.
        skipped: Lines that were no records.
    """

    records: list[GatewayRecord]
    cursor: str
    more: bool
    skipped: int = 0
