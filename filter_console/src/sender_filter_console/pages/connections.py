"""Decisions, the latest first: as they come, and those of the past."""

from datetime import UTC, datetime
from typing import Annotated, Any, cast, get_args

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from sender_filter.core.records import Function
from sender_filter_console.dependencies import Fleet
from sender_filter_console.interface import DecisionQuery, Result
from sender_filter_console.pages import forms, words
from sender_filter_console.pages.page_route import PageRoute
from sender_filter_console.pages.rendering import render

router = APIRouter(route_class=PageRoute)


def _asked(
    network: str = "",
    function: str = "",
    result: str = "",
    gateway: str = "",
    since: str = "",
    until: str = "",
    after: str = "",
) -> DecisionQuery:
    """What a reader looks for; a name that there is not is looked for as if it were not said."""
    return DecisionQuery(
        network=network.strip(),
        function=cast("Function", function) if function in get_args(Function) else None,
        result=cast("Result", result) if result in words.RESULTS else None,
        gateway=gateway or None,
        since=forms.moment(since),
        until=forms.moment(until),
        after=after or None,
    )


Asked = Annotated[DecisionQuery, Depends(_asked)]


@router.get("/connections")
async def connections(
    request: Request, fleet: Fleet, asked: Asked, live: str = "on", seen: int = 0
) -> Response:
    """The table; a page that renews itself gets its rows alone."""
    found = await fleet.decisions(asked)
    latest = found.items[0].id if found.items else seen
    context: dict[str, Any] = {
        "asked": asked,
        "page": found,
        "latest": latest,
        "new": sum(each.id > seen for each in found.items) if seen else 0,
        "live": live == "on" and not asked.after and not asked.until,
        "now": datetime.now(UTC),
    }
    if request.headers.get("hx-target") == "decisions":
        return render(request, "connections_table.html", **context)
    gateways = [each.name for each in (await fleet.overview()).gateways]
    functions = get_args(Function)
    return render(
        request,
        "connections.html",
        gateways=gateways,
        functions=functions,
        **context,
    )


@router.get("/connections/{number}")
async def decision(request: Request, fleet: Fleet, number: int) -> Response:
    """All that is known of one decision."""
    return render(request, "decision.html", full=await fleet.decision(number))
