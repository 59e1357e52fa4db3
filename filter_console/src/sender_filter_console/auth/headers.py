"""What every answer tells the browser about itself."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing inline and nothing from elsewhere: text of a stranger that got into a page as markup, in
# spite of all escaping, could still not run, load or send anything.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # `no-referrer` would make browsers send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

TWO_YEARS = 63_072_000
NOT_KEPT = "no-store"
KEPT = "public, max-age=31536000, immutable"


class SecurityHeaders:
    """Adds them, also to what goes wrong."""

    def __init__(self, app: ASGIApp, *, tls: bool) -> None:
        """Wrap an application; ``tls``: whether it is reached by TLS."""
        self._app = app
        self._headers = dict(HEADERS)
        if tls:
            self._headers["strict-transport-security"] = f"max-age={TWO_YEARS}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                headers.setdefault("cache-control", NOT_KEPT)
            await send(message)

        await self._app(scope, receive, send_with_headers)
