"""A message goes through every hop of the host, and is followed."""

from __future__ import annotations

import functools
import socket
import time
from typing import Any
from uuid import uuid4

from ..health import host
from ..health.message import ProbeError, Way, follow, own_address, send
from .failure import CallError


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Send, follow, and say which way it went."""
    if check:
        return {"skipped": True, "msg": "a message is sent outside check mode alone"}
    way = Way(
        params["topology"],
        params["provider"] == "native",
        params["listen_port"],
        params["scan_port"],
    )
    message_id = f"<probe-{uuid4().hex}@{socket.gethostname()}>"
    began = time.time()
    try:
        sent = send(
            params["address"] or own_address(),
            way.port,
            params["sender"],
            params["recipient"],
            message_id,
        )
        journey = follow(
            sent,
            way,
            functools.partial(host.mail_lines, began),
            functools.partial(host.records, began),
            params["seconds"],
        )
    except (ProbeError, host.HealthError) as error:
        raise CallError(error, message_id=message_id) from error
    return {
        "changed": False,
        "message_id": message_id,
        "since": round(began, 3),
        "hops": journey.hops,
        "seconds": journey.seconds,
    }
