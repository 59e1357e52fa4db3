"""What each function does, which keys there are, and the same in a terminal."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sender_filter_console.pages.page_route import PageRoute
from sender_filter_console.pages.rendering import render

router = APIRouter(route_class=PageRoute)


@router.get("/help")
async def help_page(request: Request) -> Response:
    """The page."""
    return render(request, "help.html")
