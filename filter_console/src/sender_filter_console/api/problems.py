"""What is answered when something cannot be done: always a JSON object with one ``error``."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from sender_filter_console import interface

PREFIX: Final = "/api/"

_STATUS: Final[dict[type[interface.FleetError], int]] = {
    interface.NotFoundError: 404,
    interface.RefusedError: 400,
    interface.UnavailableError: 503,
}

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why it was not done, in words."""

    error: str


def _documented(description: str) -> dict[str, Any]:
    return {"model": Problem, "description": description}


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    400: _documented("The request makes no sense; the error says what to write instead."),
    401: _documented("Nobody has logged in, or name or password are wrong."),
    404: _documented("There is no such thing (any more)."),
    422: _documented("A parameter or the body is not as described."),
    429: _documented("Too many attempts to log in; Retry-After says for how long to wait."),
    503: _documented("The filter does not answer now."),
}
CHANGES: Final[dict[int | str, dict[str, Any]]] = RESPONSES | {
    403: _documented("A viewer may not change anything, and a session needs its CSRF token."),
    413: _documented("The body is too large."),
}

OF_TEXT: Final[dict[int | str, dict[str, Any]]] = {
    status: {
        "description": response["description"],
        "content": {
            "application/json": {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}
        },
    }
    for status, response in RESPONSES.items()
}
"""The same for a route that answers with text: FastAPI takes problems for text there, too."""


class ApiRoute(APIRoute):
    """A route whose errors are problems."""

    def get_route_handler(self) -> Handler:
        """The route, with an answer to what it raises."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except interface.FleetError as error:
                return problem(_STATUS.get(type(error), 500), str(error))
            except RequestValidationError as error:
                return problem(422, "; ".join(_words(each) for each in error.errors()))
            except HTTPException as error:
                return problem(error.status_code, str(error.detail))

        return handle


def problem(status: int, error: str) -> Response:
    """The answer that says it."""
    return JSONResponse({"error": error}, status)


def _words(error: dict[str, Any]) -> str:
    """Where it is, and what is wrong there."""
    place = ".".join(str(each) for each in error["loc"][1:]) or str(error["loc"][0])
    return f"{place}: {error['msg']}"
