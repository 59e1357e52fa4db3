"""Puts what guards the console around it."""

from starlette.types import ASGIApp

from sender_filter_console.auth.gate import Gate
from sender_filter_console.auth.guard import Guard
from sender_filter_console.auth.headers import SecurityHeaders
from sender_filter_console.auth.hosts import Hosts
from sender_filter_console.auth.trail import Note, Trail
from sender_filter_console.auth.users import Account
from sender_filter_console.settings.schema import Config


def protect(app: ASGIApp, config: Config, note: Note) -> ASGIApp:
    """An application behind the gate.

    Args:
        app: What is behind it.
        config: Who may log in, and under which name the console is known.
        note: Writes down who does.
    """
    tls = bool(config.listen.certificate)
    guard = Guard(
        [Account(user.name, user.role, user.password_hash) for user in config.users],
        Trail(note),
        tls=tls,
    )
    return SecurityHeaders(Hosts(Gate(app, guard), name=config.listen.name), tls=tls)
