"""The command ``sender-filter-console``."""

from pathlib import Path

import click

from sender_filter.io import journal
from sender_filter.settings.toml import ConfigError
from sender_filter_console import __version__
from sender_filter_console.settings import loading
from sender_filter_console.settings.schema import Config

_config = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    default=loading.DEFAULT_PATH,
    show_default=True,
    help="The configuration file.",
)


@click.group()
@click.version_option(__version__, prog_name="sender-filter-console")
def main() -> None:
    """A web console for the sender filter."""


@main.command()
@_config
def serve(path: Path) -> None:
    """Serve the console in the foreground."""
    config = _load(path)
    journal.set_up("sender_filter_console", "uvicorn")
    # It takes the web framework half a second to load: the other commands do without.
    from sender_filter_console import server  # noqa: PLC0415

    try:
        server.run(config)
    except OSError as error:
        raise click.ClickException(str(error)) from None


@main.command("check-config")
@_config
def check_config(path: Path) -> None:
    """Check the configuration; exit 1 and say why if it cannot be used."""
    _load(path)
    click.echo(f"{path}: fine")


@main.command("hash-password")
@click.password_option()
def hash_password(password: str) -> None:
    """Print the hash of a password, for the inventory's vault."""
    from argon2 import PasswordHasher  # noqa: PLC0415

    click.echo(PasswordHasher().hash(password))


def _load(path: Path) -> Config:
    try:
        return loading.load(path)
    except ConfigError as error:
        raise click.ClickException(str(error)) from None
