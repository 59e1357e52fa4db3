"""What goes wrong on a page is said on a page."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from sender_filter_console import interface
from sender_filter_console.pages.rendering import render

_STATUS: dict[type[interface.FleetError], int] = {
    interface.NotFoundError: 404,
    interface.RefusedError: 400,
    interface.UnavailableError: 503,
}

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """A route whose errors are pages, too."""

    def get_route_handler(self) -> Handler:
        """The route, with an answer to what it raises."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except interface.FleetError as error:
                return _page(request, _STATUS.get(type(error), 500), str(error))
            except RequestValidationError as error:
                fields = ", ".join(sorted({str(each["loc"][-1]) for each in error.errors()}))
                return _page(request, 400, f"cannot be read: {fields}")
            except HTTPException as error:
                return _page(request, error.status_code, str(error.detail))

        return handle


def _page(request: Request, status: int, reason: str) -> Response:
    title = HTTPStatus(status).phrase
    return render(request, "error.html", status, title=title, code=status, reason=reason)
