"""The command ``sender-filter-console``."""

import click

from sender_filter_console import __version__


@click.group()
@click.version_option(__version__, prog_name="sender-filter-console")
def main() -> None:
    """A web console for the sender filter."""
