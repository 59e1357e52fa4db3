"""Which records a command shows, and the options that say so."""

from typing import NamedTuple, get_args

import click

from sender_filter.cli import options
from sender_filter.cli.options import Command
from sender_filter.core import networks
from sender_filter.core.networks import Network
from sender_filter.core.records import Action, Function, Record
from sender_filter.core.subject import holds


class Wanted(NamedTuple):
    """What a record must be like to be shown; None: anything will do."""

    within: list[Network] | None = None
    function: str | None = None
    action: str | None = None
    session: str | None = None
    since: str = ""
    until: str = "9999"

    def has(self, record: Record) -> bool:
        """Whether the record is one of those; how a session ended has no function or action."""
        if not self.since <= record.time < self.until:
            return False
        named = {"function": self.function, "action": self.action, "session": self.session}
        if any(value not in (None, getattr(record, name, None)) for name, value in named.items()):
            return False
        return self.within is None or _is_within(record.address, self.within)


def filtered(command: Command) -> Command:
    """``--ip``, ``--function``, ``--action`` and ``--session``."""
    for option in (
        click.option("--session", help="Only this connection."),
        click.option("--action", type=click.Choice(get_args(Action)), help="Only this outcome."),
        click.option(
            "--function", type=click.Choice(get_args(Function)), help="Only what it decided."
        ),
        click.option(
            "--ip", "within", callback=options.parsed(networks.parse),
            help="Only this address or network.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def _is_within(text: str, within: list[Network]) -> bool:
    """Whether an address, or any of a network, is one of those asked for."""
    try:
        found = networks.parse(text)
    except ValueError:  # the sender that throttling has blocked
        return False
    return any(holds(outer, each) or holds(each, outer) for each in found for outer in within)
