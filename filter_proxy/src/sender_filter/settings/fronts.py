"""The two places in the path of mail where the filter can stand, and the settings of each."""

import os
from pathlib import Path
from typing import Literal, NamedTuple

from sender_filter.settings.schema import Config, Upstream

FrontName = Literal["edge", "inline"]
"""``edge``: in front of Postfix, which the PROXY protocol tells who the client is. ``inline``:
behind Postfix's port 25, as its before-queue filter."""


class Front(NamedTuple):
    """One of them.

    Attributes:
        addresses: Where it listens, unless systemd passes sockets.
        upstream: The service behind it.
        control: Its control socket.
        workers: How many processes serve it.
    """

    addresses: list[str]
    upstream: Upstream
    control: Path
    workers: int = 1


def of(config: Config, name: FrontName) -> Front:
    """What the configuration says of a front."""
    if name == "edge":
        workers = config.listen.workers or len(os.sched_getaffinity(0))
        control = Path(config.control.socket)
        return Front(config.listen.addresses, config.upstream, control, workers)
    inline = config.inline
    upstream = Upstream(inline.upstream, config.upstream.connect_seconds)
    return Front([inline.address], upstream, Path(inline.control))
