"""The command ``senderfilter``: one file a subcommand."""

from importlib import import_module

import click

from sender_filter import __version__

_PLACES = {
    "approve": ("orders", "approve"),
    "block": ("orders", "block"),
    "chart": ("chart", "chart"),
    "check": ("check", "check"),
    "check-config": ("check_config", "check_config"),
    "export": ("export", "export"),
    "fleet": ("fleet", "fleet"),
    "follow": ("follow", "follow"),
    "import": ("import_list", "command"),
    "known": ("orders", "known"),
    "lists": ("lists", "lists"),
    "log": ("log", "log"),
    "profile": ("profile", "profile"),
    "scan-reports": ("scan_reports", "command"),
    "serve": ("serve", "serve"),
    "status": ("status", "status"),
    "top": ("top", "top"),
}
"""Of each subcommand its module, and its name there."""


class _Subcommands(click.Group):
    """Imports a subcommand when it is called: the filter itself draws no tables."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _PLACES:
            return None
        module, name = _PLACES[cmd_name]
        command: click.Command = getattr(import_module(f"{__name__}.{module}"), name)
        return command


@click.group(cls=_Subcommands)
@click.version_option(__version__, prog_name="senderfilter")
def main() -> None:
    """The sender filter: refuses SMTP clients by their address, hands the others to Postfix."""
