"""Records as pages and API show them."""

from sender_filter.core.records import (
    BlockRecord,
    Check,
    DecisionRecord,
    Function,
    Hop,
    Order,
    OrderRecord,
    SessionRecord,
)
from sender_filter_console import interface
from sender_filter_console.index import ids

_ABOUT: dict[Order, Function] = {
    "approve": "approved",
    "know": "known_hosts",
    "forget": "known_hosts",
}
_SAYS_SOMETHING = ("match", "listed", "failed")


def check(made: Check) -> interface.Check:
    """One check."""
    return interface.Check(
        function=made.function,
        input=made.input,
        result=made.result,
        micros=made.micros,
        detail=made.detail,
        cache=made.cache,
        shadow=made.shadow,
    )


def decision(
    number: int, gateway: str, record: DecisionRecord, *, shadow: bool
) -> interface.Decision:
    """A decision as a row."""
    return interface.Decision(
        id=number,
        time=ids.parse(record.time),
        gateway=gateway,
        session=record.session,
        address=record.address,
        function=record.function,
        action=record.action,
        shadow=shadow,
        reason=_reason(record, shadow=shadow),
        reply=record.reply,
        peer=record.peer,
    )


def hop(step: Hop) -> interface.Hop:
    """A header on the walk to the origin."""
    return interface.Hop(step.number, step.address, step.known, step.header)


def end(record: SessionRecord) -> interface.SessionEnd:
    """How a session ended."""
    return interface.SessionEnd(
        time=ids.parse(record.time),
        seconds=record.seconds,
        from_client=record.from_client,
        from_upstream=record.from_upstream,
        ended=record.ended,
        reply=record.reply,
        unseen=record.unseen,
        tls=record.tls,
        tls_problem=record.tls_problem,
    )


def event(gateway: str, record: BlockRecord | OrderRecord) -> interface.BlockEvent:
    """A block that started or stopped, or what an operator has said."""
    until = None if record.until is None else ids.parse(record.until)
    if isinstance(record, OrderRecord):
        return interface.BlockEvent(
            time=ids.parse(record.time),
            gateway=gateway,
            network=record.address,
            function=_ABOUT.get(record.order, "blocked"),
            change=record.order,
            until=until,
            comment=record.comment,
            shadow=False,
            author=record.author,
        )
    return interface.BlockEvent(
        time=ids.parse(record.time),
        gateway=gateway,
        network=record.address,
        function=record.function,
        change=record.change,
        until=until,
        comment=record.comment,
        shadow=record.shadow,
    )


def _reason(record: DecisionRecord, *, shadow: bool) -> str | None:
    """What the check said that decided, or that would have decided."""
    if record.function == "none" and not shadow:
        return None
    for made in reversed(record.checks):
        deciding = made.shadow if record.function == "none" else made.function == record.function
        if deciding and made.result in _SAYS_SOMETHING:
            return made.detail
    return None
