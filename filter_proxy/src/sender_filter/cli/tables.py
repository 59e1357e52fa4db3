"""Tables for people."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from sender_filter.cli import options


def show(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table; on a pipe as wide as it must be, without colours."""
    # What came from outside must not be read as markup.
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = 400
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(options.plain, row))
    console.print(table)
