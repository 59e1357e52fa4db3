"""What the scan service says about a message: one line of Amavis's log, made for programs.

Role ``scan_service`` lets Amavis write it beside its usual line (``$log_templ``, macro
``report_json`` of Amavis 2.11 and newer)::

    (04447-12) report {"client_ip":"192.0.2.1","content_type":"Spam","queue_id":"8349932C70F"}

It holds nothing that a sender has written, so no sender can make a verdict up.
"""

import re
from typing import Literal, NamedTuple

import msgspec
from msgspec import Struct

Kind = Literal["spam", "virus"]

_LINE = re.compile(r"\([0-9-]{1,40}\) report (\{.{1,1000}\})", re.ASCII)
_KINDS: dict[str, Kind] = {"Spam": "spam", "Spammy": "spam", "Virus": "virus"}
"""Amavis's names of content categories; all others are no verdict against the sender."""


class Report(NamedTuple):
    """A message that was found to be bad.

    Attributes:
        kind: What it is.
        queue_id: Postfix's name for it when it came in.
        client: The client as Postfix has told Amavis (XFORWARD); empty if it has not.
    """

    kind: Kind
    queue_id: str
    client: str


class _Fields(Struct):
    content_type: str = ""
    queue_id: str = ""
    client_ip: str = ""


def parse(line: str) -> Report | None:
    """Read a line of Amavis's log; None if it is no report, or none of a bad message."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    try:
        fields = msgspec.json.decode(found[1], type=_Fields)
    except msgspec.MsgspecError:
        return None
    kind = _KINDS.get(fields.content_type)
    if kind is None or not fields.queue_id:
        return None
    return Report(kind, fields.queue_id, fields.client_ip)
