"""``senderfilter serve``."""

import contextlib
import functools
import os
import resource
from pathlib import Path

import click

from sender_filter.cli import options
from sender_filter.io import journal, listeners, worker
from sender_filter.io.journal import log
from sender_filter.io.supervisor import Supervisor
from sender_filter.io.systemd import Notifier
from sender_filter.settings import fronts, loading
from sender_filter.settings.fronts import FrontName

_FILES_A_SESSION = 3  # client, Postfix, and a refused client that is let linger
_FILES_BESIDE = 64


@click.command()
@options.config_option("The configuration file.")
@click.option("--inline", is_flag=True, help="Be Postfix's before-queue filter, by [inline].")
def serve(path: Path | None, *, inline: bool) -> None:
    """Run the filter in the foreground: a supervisor, and the workers that serve.

    SIGHUP loads configuration and lists anew. SIGTERM stops: a worker takes nobody new and
    ends when its sessions have, or after limits.drain_seconds.

    With sockets from systemd the supervisor ends at once on SIGTERM and leaves the workers to
    their sessions, so that the next filter can start beside them. With sockets of its own it waits
    for them, and a second SIGTERM cuts the sessions.
    """
    journal.set_up()
    front: FrontName = "inline" if inline else "edge"
    settings = options.failing(loading.load)(path or loading.default_path())
    log.info("%s: %s", settings.path, loading.summary(settings))
    _raise_file_limit(settings.config.limits.sessions)
    try:
        place = fronts.of(settings.config, front)
        sockets, shared = listeners.open_all(place.addresses, on_loopback=inline)
        notifier = Notifier(os.environ)
        work = functools.partial(worker.work, front)
        supervisor = Supervisor(
            settings, sockets, notifier, work, workers=place.workers, shared=shared
        )
        code = supervisor.run()
    except OSError as error:
        raise click.ClickException(error.strerror or str(error)) from None
    raise SystemExit(code)


def _raise_file_limit(sessions: int) -> None:
    """Allow as many open files as the sessions need; say so if the system allows fewer."""
    wanted = sessions * _FILES_A_SESSION + _FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < min(wanted, hard):
        # A sandbox may forbid it; its own LimitNOFILE= then has to be enough.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
            soft = min(wanted, hard)
    if soft < wanted:
        log.warning("limits.sessions = %d needs LimitNOFILE=%d, it is %d", sessions, wanted, soft)
