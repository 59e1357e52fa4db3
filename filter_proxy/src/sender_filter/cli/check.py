"""``senderfilter check``."""

import asyncio
from pathlib import Path

import click
import msgspec

from sender_filter.cli import options
from sender_filter.core import addresses
from sender_filter.core.addresses import Address
from sender_filter.core.runtime_lists import RuntimeLists
from sender_filter.io.judge import Judge
from sender_filter.io.messages import Answer, Explanation, Request, explain
from sender_filter.settings import loading
from sender_filter.settings.loading import Settings

_ACTIONS = {
    "pass": "would be let through to Postfix",
    "permanent": "would be refused for good",
    "temporary": "would be refused for now",
}
_RESULTS = {
    "match": "listed",
    "no_match": "not listed",
    "not_listed": "not listed",
}


@click.command()
@click.argument("address", metavar="IP", callback=options.parsed(addresses.parse))
@options.config_option("Ask this configuration, which need not be in use.")
@options.as_json
def check(address: Address, path: Path | None, *, json: bool) -> None:
    """Explain what would be decided about a client with this address, and why.

    Without --config the running filter is asked.
    """
    answer: Answer
    if path is None:
        answer = options.ask(None, Request("check", str(address)))
    else:
        answer = asyncio.run(_explain(options.failing(loading.load)(path), address))
    if json:
        click.echo(msgspec.json.encode(answer).decode())
    elif isinstance(answer, Explanation):
        click.echo("\n".join(_in_words(answer)))


async def _explain(settings: Settings, address: Address) -> Explanation:
    """What a configuration would decide; nothing that was made at run time counts for it."""
    judge = Judge(settings, RuntimeLists(), RuntimeLists())
    try:
        decision = await judge.of_client(judge.by_lists(address), address)
    finally:
        await judge.close()
    return explain(str(address), decision)


def _in_words(answer: Explanation) -> list[str]:
    lines = [f"{answer.address} {_ACTIONS[answer.action]}"]
    for number, step in enumerate(answer.checks, 1):
        where = f": {options.plain(step.detail)}" if step.detail else ""
        result = _RESULTS.get(step.result, step.result)
        name = f"{step.function} {step.input}" if step.function == "reputation" else step.function
        shadow = ", without consequence (shadow)" if step.shadow else ""
        lines.append(f"  {number}. {name}: {result}{shadow}{where}")
    if answer.reply is not None:
        lines.append(f"  reply: {answer.reply}")
    return lines
