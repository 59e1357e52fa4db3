"""By which names the console may be called.

A page of a stranger can give his own name our address, and would then be of the same origin as we
are (DNS rebinding). An address in the place of the name cannot be had that way, so it is let in.
"""

import ipaddress

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

ALWAYS = frozenset({"localhost"})


class Hosts:
    """Turns away who calls us by another name."""

    def __init__(self, app: ASGIApp, *, name: str) -> None:
        """Wrap an application; ``name``: how browsers reach it beside its address, if they do."""
        self._app = app
        self._names = ALWAYS | {name.lower()} if name else ALWAYS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not self._is_ours(Headers(scope=scope).get("host", "")):
            answer = PlainTextResponse("not the name of this console\n", 421)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        name = host_name(host)
        return name in self._names or _is_address(name)


def host_name(host: str) -> str:
    """The name in a ``Host`` header, without the port."""
    if host.startswith("["):
        return host.partition("]")[0][1:]
    return host.partition(":")[0].lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
