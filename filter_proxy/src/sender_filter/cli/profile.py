"""``senderfilter profile``."""

from pathlib import Path

import click
import msgspec

from sender_filter.cli import options
from sender_filter.cli.tables import show
from sender_filter.io.messages import MOST_ROWS, ProfileRow, Profiles, Request, RuleFigures


@click.command()
@click.argument("address", metavar="[IP]", default="")
@click.option(
    "--limit", type=click.IntRange(1, MOST_ROWS), default=100, show_default=True,
    help="Show so many, those with the most bad messages first.",
)  # fmt: skip
@options.config_option("The configuration that the filter runs with.")
@options.as_json
def profile(address: str, limit: int, path: Path | None, *, json: bool) -> None:
    """Show who is above the rate of a rule of the IP Profiler, or what each rule has of IP."""
    answer = options.ask(path, Request("profile", address, limit=limit))
    if json:
        click.echo(msgspec.json.encode(answer).decode())
    elif isinstance(answer, Profiles):
        if answer.figures:
            show(
                ("rule", "mode", "bad", "of", "blocks above", "of more than"),
                map(_limits, answer.figures),
            )
            return
        show(("address", "rule", "bad", "of", "share", ""), map(_row, answer.rows))
        if len(answer.rows) < answer.found:
            click.echo(f"{len(answer.rows)} of {answer.found} are shown: see --limit", err=True)


def _limits(figures: RuleFigures) -> tuple[str, ...]:
    counted = (
        figures.rule,
        figures.mode,
        str(figures.bad),
        f"{figures.total} in {figures.period_hours} h",
    )
    return *counted, f"{figures.rate_percent:g} %", str(figures.total_messages)


def _row(row: ProfileRow) -> tuple[str, ...]:
    state = "violated" if row.violated else "suspicious"
    return row.address, row.rule, str(row.bad), str(row.total), f"{row.percent} %", state
