"""The gate before every route: nobody without a login, no change without role and token.

Everything is closed that is not on the short lists below, so that a new route cannot forget to ask.
"""

import math
from typing import NamedTuple
from urllib.parse import quote

from starlette.datastructures import FormData, Headers
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sender_filter_console.auth import origin
from sender_filter_console.auth.guard import Guard, Refused, basic_credentials
from sender_filter_console.auth.sessions import Session
from sender_filter_console.auth.users import User

LOGIN = "/login"
OPEN_TO_ALL = frozenset({LOGIN, "/preferences"})
OPEN_TREES = ("/static/",)
OPEN_TO_VIEWERS = frozenset({"/logout"})
"""Changes that concern nobody but the one who makes them."""

API = "/api/"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
RENEWAL_HEADER = "x-renewal"
"""Sent by pages that renew themselves: nobody has done anything."""

LARGEST_CHANGE = 32 * 1024 * 1024
LARGEST_LOGIN = 16 * 1024
MOST_FIELDS = 1000


class Visitor(NamedTuple):
    """Who is there, and by which session; without one he has shown his password (Basic)."""

    user: User
    session: Session | None


class Gate:
    """Lets through who may, and tells the others why not."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        """Stand before an application."""
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            receive = await self._admit(scope, receive)
        except _NotAdmitted as error:
            await error.response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive) -> Receive:
        """Note who is there; returns what the body is to be read from.

        Raises:
            _NotAdmitted: The request goes no further.
        """
        request = Request(scope, receive)
        changing = request.method not in SAFE_METHODS
        if changing and origin.is_foreign(request.headers, request.url.scheme):
            raise _refusal(request, 403, "this change was not asked for by a page of the console")
        visitor = await self._visitor(request)
        scope["console.guard"] = self._guard
        scope["console.visitor"] = visitor
        path = scope["path"]
        is_open = path in OPEN_TO_ALL or path.startswith(OPEN_TREES)
        if visitor is None and not is_open:
            raise _to_login(request)
        if not changing:
            return receive
        if visitor and not (visitor.user.may_change or path in OPEN_TO_VIEWERS or is_open):
            raise _refusal(request, 403, f"{visitor.user.name} may look, not change")
        body = await _body(request, LARGEST_CHANGE if visitor else LARGEST_LOGIN)
        if visitor and visitor.session and path != LOGIN:
            token = await _token(scope, request.headers, body)
            if not origin.is_token(token, visitor.session.csrf):
                raise _refusal(request, 403, "the page is of another login: load it again")
        return _again(body, receive)

    async def _visitor(self, request: Request) -> Visitor | None:
        touch = RENEWAL_HEADER not in request.headers
        session = self._guard.session(request.cookies.get(self._guard.cookie), touch=touch)
        if session is not None:
            return Visitor(session.user, session)
        authorization = request.headers.get("authorization")
        if authorization is None:
            return None
        credentials = basic_credentials(authorization)
        if credentials is None:
            raise _refusal(request, 401, "Authorization must be Basic")
        found = await self._guard.verify(*credentials, address_of(request))
        if isinstance(found, Refused):
            raise _wrong_login(request, found)
        return Visitor(found, None)


def current_user(request: Request) -> User:
    """Who is there.

    Raises:
        HTTPException: Nobody is (401); the gate lets that happen at the login page alone.
    """
    visitor = visitor_of(request)
    if visitor is None:
        raise HTTPException(401)
    return visitor.user


def visitor_of(request: Request) -> Visitor | None:
    """Who is there, if anybody is."""
    visitor: Visitor | None = request.scope.get("console.visitor")
    return visitor


def guard_of(request: Request) -> Guard:
    """Who logs people in and out."""
    guard: Guard = request.scope["console.guard"]
    return guard


def address_of(request: Request) -> str:
    """Where a request comes from; headers are not asked, anybody can write them."""
    return request.client.host if request.client else ""


class _NotAdmitted(Exception):  # noqa: N818  # no error of ours
    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def _refusal(request: Request, status: int, reason: str) -> _NotAdmitted:
    if request.url.path.startswith(API):
        return _NotAdmitted(JSONResponse({"error": reason}, status))
    return _NotAdmitted(PlainTextResponse(f"{reason}\n", status))


def _wrong_login(request: Request, refused: Refused) -> _NotAdmitted:
    if not refused.wait:
        return _refusal(request, 401, "name or password are wrong")
    wait = math.ceil(refused.wait)
    error = _refusal(request, 429, f"too many attempts: try again in {wait} s")
    error.response.headers["retry-after"] = str(wait)
    return error


def _to_login(request: Request) -> _NotAdmitted:
    """The way to the login page: for people a redirect, for programs a plain answer."""
    path = request.url.path
    if path.startswith(API):
        error = _refusal(request, 401, "log in, or send name and password (Basic)")
        # Not `Basic`: a browser would ask by itself, and keep what it is told until it is closed.
        error.response.headers["www-authenticate"] = 'Console realm="sender filter"'
        return error
    query = f"?{request.url.query}" if request.url.query else ""
    target = f"{LOGIN}?next={quote(path + query)}" if request.method == "GET" else LOGIN
    if "hx-request" in request.headers:
        return _NotAdmitted(Response(status_code=401, headers={"hx-redirect": LOGIN}))
    return _NotAdmitted(RedirectResponse(target, 303))


async def _body(request: Request, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise _refusal(request, 413, f"more than {most} bytes")
            parts.append(part)
    except ClientDisconnect:
        raise _refusal(request, 400, "the client went away") from None
    return b"".join(parts)


async def _token(scope: Scope, headers: Headers, body: bytes) -> str | None:
    """The token of a change, from its header or from a field of its form."""
    if (token := headers.get(origin.TOKEN_HEADER)) is not None:
        return token
    try:
        form: FormData = await Request(dict(scope), _again(body)).form(max_fields=MOST_FIELDS)
    except (MultiPartException, HTTPException):
        return None
    value = form.get(origin.TOKEN_FIELD)
    await form.close()
    return value if isinstance(value, str) else None


def _again(body: bytes, rest: Receive | None = None) -> Receive:
    """A body that was read, to be read once more; after it comes what comes after it."""
    given = False

    async def receive() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        if rest is None:
            return {"type": "http.disconnect"}
        return await rest()

    return receive
