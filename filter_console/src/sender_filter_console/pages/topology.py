"""The mail path of this gateway, and what differs from its declaration."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sender_filter_console.dependencies import Fleet
from sender_filter_console.pages import path_picture
from sender_filter_console.pages.page_route import PageRoute
from sender_filter_console.pages.rendering import render

router = APIRouter(route_class=PageRoute)


@router.get("/topology")
async def topology(request: Request, fleet: Fleet) -> Response:
    """The picture, the ports, the differences."""
    found = await fleet.topology()
    return render(
        request,
        "topology.html",
        topology=found,
        stations=path_picture.stations(found),
        layout=path_picture,
    )
