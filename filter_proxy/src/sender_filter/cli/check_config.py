"""``senderfilter check-config``."""

from pathlib import Path

import click

from sender_filter.cli import options
from sender_filter.settings import loading


@click.command("check-config")
@options.config_option("The configuration file to check.")
def check_config(path: Path | None) -> None:
    """Check the configuration and load its lists; exit 1 if the filter would refuse them."""
    settings = options.failing(loading.load)(path or loading.default_path())
    click.echo(f"{settings.path}: ok, {loading.summary(settings)}")
