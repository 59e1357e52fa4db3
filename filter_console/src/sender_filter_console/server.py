"""Serves the application until told to stop."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from sender_filter.io.systemd import Notifier
from sender_filter_console.app import create_app
from sender_filter_console.audit import Audit
from sender_filter_console.fleet import FilterFleet
from sender_filter_console.settings import loading
from sender_filter_console.settings.schema import Config

LAST_WORDS_SECONDS = 3
"""A page that renews itself must not hold up a stop for longer."""


class _Server(uvicorn.Server):
    """Tells systemd when it takes requests."""

    async def startup(self, sockets: Sequence[object] | None = None) -> None:
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            Notifier(os.environ).ready()


async def serve(config: Config) -> None:
    """Serve, by this configuration.

    Raises:
        OSError: A file cannot be opened; the message names it.
    """
    audit = Audit(Path(config.audit.file))
    fleet = FilterFleet(config, audit)
    fleet.start()
    try:
        await _Server(_settings(config, fleet, audit)).serve()
    finally:
        await fleet.close()
        audit.close()


def run(config: Config) -> None:
    """Serve, in an event loop of its own.

    Raises:
        OSError: A file cannot be opened.
    """
    asyncio.run(serve(config))


def _settings(config: Config, fleet: FilterFleet, audit: Audit) -> uvicorn.Config:
    address, port = loading.endpoint(config)
    return uvicorn.Config(
        create_app(config, fleet, audit.note),
        host=str(address),
        port=port,
        ssl_certfile=config.listen.certificate or None,
        ssl_keyfile=config.listen.key or None,
        log_config=None,
        access_log=False,
        lifespan="off",
        # Nobody stands between a browser and the console: what such headers say is made up.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=LAST_WORDS_SECONDS,
    )
