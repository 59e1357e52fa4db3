"""The first page: what the filter does, and whether all is well."""

from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sender_filter_console.dependencies import Fleet
from sender_filter_console.pages import chart
from sender_filter_console.pages.page_route import PageRoute
from sender_filter_console.pages.rendering import render

router = APIRouter(route_class=PageRoute)

SPANS: Final = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
_COLUMNS: Final = 60
_TOP: Final = 10


@router.get("/")
async def overview(
    request: Request, fleet: Fleet, span: str = "day", gateway: str = ""
) -> Response:
    """Functions, chart, top ten, health; of a page that renews itself the gateways alone."""
    if request.headers.get("hx-target") == "gateways":
        return render(request, "gateways.html", overview=await fleet.overview())
    span = span if span in SPANS else "day"
    until = datetime.now(UTC)
    since = until - SPANS[span]
    return render(
        request,
        "overview.html",
        overview=await fleet.overview(),
        chart=chart.draw(await fleet.chart(since, _COLUMNS, gateway or None), since, until),
        top=await fleet.top(_TOP),
        span=span,
        gateway=gateway,
    )
