"""The API's own description (OpenAPI), behind the same login."""

from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response

router = APIRouter(include_in_schema=False)

TEXT: Final = """
Everything that the console's pages show and do.

Log in with each request (HTTP Basic, the names and passwords of the console), or use the session
cookie of a browser; with the cookie each change needs the header `X-CSRF-Token`. A viewer may
read, an operator may change as well. Each change is kept in the audit record.
"""

_SCHEMES: Final = {
    "basic": {"type": "http", "scheme": "basic"},
    "session": {"type": "apiKey", "in": "cookie", "name": "session"},
}


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The description."""
    return JSONResponse(describe(request.app))


def describe(app: FastAPI) -> dict[str, Any]:
    """What FastAPI knows of the routes, and how to log in."""
    found = app.openapi()
    found["info"]["description"] = TEXT.strip()
    found.setdefault("components", {})["securitySchemes"] = _SCHEMES
    found["security"] = [{name: []} for name in _SCHEMES]
    return found
