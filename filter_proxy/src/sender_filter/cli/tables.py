"""Tables: for people on a terminal, and for programs as plain lines."""

import sys
from collections.abc import Iterable, Sequence

import click
from rich.console import Console
from rich.table import Table

from sender_filter.cli import options

Row = tuple[str, ...]


def for_people() -> bool:
    """Whether a person reads along: standard output is a terminal."""
    return sys.stdout.isatty()


def show(columns: Row, rows: Iterable[Row], *, whole: int = 1) -> None:
    """Print a table.

    On a terminal it is as wide as that, and what does not fit goes on below. Elsewhere each row is
    one line without colours, whatever its length, so that ``grep`` and ``awk`` find all of it.

    Args:
        columns: Their names; all empty: there is no head.
        rows: What stands in them; it may come from outside.
        whole: So many columns, from the left, are never folded: addresses are copied from them.
    """
    safe = [tuple(map(options.plain, row)) for row in rows]
    headed = any(columns)
    longest = [max(map(len, cells)) for cells in zip(columns, *safe, strict=True)]
    if not for_people():
        for row in [columns, *safe] if headed else safe:
            click.echo(_line(row, longest))
        return
    table = Table(box=None, pad_edge=False, show_header=headed)
    for number, name in enumerate(columns):
        least = longest[number] if number < whole else None
        table.add_column(name, overflow="fold", min_width=least, no_wrap=number < whole)
    for row in safe:
        table.add_row(*row)
    # What came from outside must not be read as markup.
    Console(markup=False, emoji=False, highlight=False).print(table)


def _line(row: Row, widths: Sequence[int]) -> str:
    return "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
