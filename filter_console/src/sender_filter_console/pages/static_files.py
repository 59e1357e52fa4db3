"""The files that pages load: style, script, pictures. All of them are of this package."""

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from sender_filter_console.auth.headers import KEPT
from sender_filter_console.pages.rendering import STATIC


class VersionedFiles(StaticFiles):
    """Files that browsers may keep for as long as their address names their version."""

    def __init__(self) -> None:
        """Serve ``static/``."""
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """One file."""
        response = await super().get_response(path, scope)
        if scope["query_string"].startswith(b"v="):
            response.headers["cache-control"] = KEPT
        return response
