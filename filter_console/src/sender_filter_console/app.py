"""Puts the application together."""

from typing import cast

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from sender_filter_console import __version__, api, auth, pages
from sender_filter_console.api import problems
from sender_filter_console.interface import Fleet
from sender_filter_console.pages.static_files import VersionedFiles
from sender_filter_console.settings.schema import Config


def create_app(config: Config, fleet: Fleet, note: auth.Note) -> ASGIApp:
    """The console of a fleet.

    Args:
        config: The checked configuration.
        fleet: What is shown and acted on.
        note: Writes down who logs in.
    """
    app = FastAPI(
        title="Sender filter console",
        version=__version__,
        # The description stands behind the login like everything else; its pages would load
        # scripts from elsewhere.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.add_exception_handler(HTTPException, _no_route)
    app.state.config = config
    app.state.fleet = fleet
    app.include_router(api.router)
    app.include_router(pages.router)
    app.mount("/static", VersionedFiles())
    return auth.protect(app, config, note)


async def _no_route(request: Request, error: Exception) -> Response:
    """What is said where there is no route: to programs in their form."""
    found = cast("HTTPException", error)
    if not request.url.path.startswith(problems.PREFIX):
        return await http_exception_handler(request, found)
    answer = problems.problem(found.status_code, str(found.detail))
    answer.headers.update(found.headers or {})
    return answer
