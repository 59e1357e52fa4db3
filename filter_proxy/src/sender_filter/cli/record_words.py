"""Records in words: as rows of a table, and as lines."""

from sender_filter.cli import options
from sender_filter.cli.tables import Row
from sender_filter.core.records import (
    BlockRecord,
    Check,
    DecisionRecord,
    Order,
    OrderRecord,
    Record,
    SessionRecord,
)

COLUMNS = ("time", "address", "outcome", "by", "why")

_ORDERS: dict[Order, str] = {
    "block": "blocked",
    "approve": "approved",
    "release": "released",
    "know": "made a known host",
    "forget": "made no known host",
}
_ENDS_SOMETHING = ("release", "forget")


def row(record: Record) -> Row:
    """A record as a row under ``COLUMNS``."""
    time = f"{record.time[:19]}Z".replace("T", " ")
    by: str
    match record:
        case BlockRecord():
            outcome, by, why = f"block {record.change}", record.function, _why_blocked(record)
        case OrderRecord():
            outcome, by, why = _ORDERS[record.order], record.author, _why_ordered(record)
        case SessionRecord():
            outcome, by = record.ended, ""
            figures = f"{record.seconds} s, {record.from_client} bytes in"
            why = [f"{figures}, {record.from_upstream} out"]
        case DecisionRecord():
            outcome, by = record.action, "" if record.function == "none" else record.function
            why = _why_decided(record)
    return time, record.address, outcome, by, "; ".join(filter(None, why))


def line(record: Record) -> str:
    """A record as a line, safe for a terminal."""
    match record:
        case BlockRecord():
            text = _block(record)
        case OrderRecord():
            text = _order(record)
        case SessionRecord():
            text = _session(record)
        case DecisionRecord():
            text = _decision(record)
    return options.plain(text)


def details(record: Record) -> list[str]:
    """A record as a line, and below it each check on the way to the decision."""
    lines = [line(record)]
    if isinstance(record, DecisionRecord):
        lines += [f"  {number}. {_check(each)}" for number, each in enumerate(record.checks, 1)]
        if record.doubt:
            lines.append(options.plain(f"  the walk through the headers ended: {record.doubt}"))
    return lines


def _check(check: Check) -> str:
    result = check.result.replace("_", " ")
    words = [f"{check.function} {check.input}: {result} ({check.micros} us)"]
    words += [f"kept answer: {check.cache}"] if check.cache else []
    words += ["shadow: without consequence"] if check.shadow else []
    words += [check.detail] if check.detail else []
    return options.plain("; ".join(words))


def _why_blocked(record: BlockRecord) -> list[str]:
    shadow = "shadow: nobody is blocked" if record.shadow else ""
    return [_until(record.until), record.comment, shadow]


def _why_ordered(record: OrderRecord) -> list[str]:
    return ["" if record.order in _ENDS_SOMETHING else _until(record.until), record.comment]


def _why_decided(record: DecisionRecord) -> list[str]:
    details = [check.detail or "" for check in record.checks]
    hop = f"hop {record.hop} behind {record.peer}" if record.peer else ""
    return [hop, *details, f"-> {record.reply}" if record.reply else ""]


def _until(until: str | None) -> str:
    return f"until {until}" if until else "for good"


def _block(record: BlockRecord) -> str:
    change = record.change if record.change == "started" else f"stopped: {record.change}"
    shadow = " (shadow: nobody is blocked)" if record.shadow else ""
    why = f" ({record.comment})" if record.comment else ""
    what = f"block of {record.address} by {record.function} {change} {_until(record.until)}"
    return f"{record.time} {what}{why}{shadow}"


def _order(record: OrderRecord) -> str:
    until = "" if record.order in _ENDS_SOMETHING else f" {_until(record.until)}"
    why = f" ({record.comment})" if record.comment else ""
    by = f" by {record.author}" if record.author else ""
    return f"{record.time} {record.address} {_ORDERS[record.order]}{by}{until}{why}"


def _who(record: SessionRecord | DecisionRecord) -> str:
    return f"{record.time} {record.session} {record.address} port {record.port}"


def _said(record: SessionRecord | DecisionRecord) -> str:
    return f" -> {record.reply}" if record.reply else ""


def _session(record: SessionRecord) -> str:
    figures = f"{record.from_client} bytes in, {record.from_upstream} bytes out"
    text = f"{_who(record)} ended {record.ended} after {record.seconds} s, {figures}"
    handshake = f" (TLS handshake: {record.tls_problem})" if record.tls_problem else ""
    return f"{text}{handshake}{_said(record)}"


def _decision(record: DecisionRecord) -> str:
    why = "; ".join(check.detail for check in record.checks if check.detail)
    behind = f" (hop {record.hop} behind {record.peer})" if record.peer else ""
    by = f" by {record.function}" if record.function != "none" else ""
    reason = f" ({why})" if why else ""
    return f"{_who(record)}{behind} {record.action}{by}{reason}{_said(record)}"
