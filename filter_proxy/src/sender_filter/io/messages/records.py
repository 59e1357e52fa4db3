"""What is said of records, and of all gateways that share them."""

from msgspec import Struct

from sender_filter.core.records import Record
from sender_filter.io.messages.status import Status


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


class GatewayStatus(Struct, frozen=True):
    """What a gateway has said of itself last.

    Attributes:
        gateway: Its name.
        time: When it said so.
        status: What.
    """

    gateway: str
    time: str
    status: Status


class Gateways(Struct, frozen=True, tag_field="answer", tag="gateways"):
    """All gateways that share records, by name; one that is gone is forgotten after a day."""

    gateways: list[GatewayStatus]
