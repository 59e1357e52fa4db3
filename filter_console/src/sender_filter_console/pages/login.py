"""Log in, log out."""

import math
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from sender_filter_console.auth.gate import LOGIN, address_of, guard_of, visitor_of
from sender_filter_console.auth.guard import Refused
from sender_filter_console.pages.page_route import PageRoute
from sender_filter_console.pages.rendering import local, render

router = APIRouter(route_class=PageRoute)


@router.get(LOGIN)
async def login_page(request: Request, next: str = "") -> Response:  # noqa: A002  # in the address
    """Ask for name and password."""
    if visitor_of(request) is not None:
        return RedirectResponse(local(next), 303)
    return render(request, "login.html", target=local(next), wait=None, failed=False, name="")


@router.post(LOGIN)
async def log_in(
    request: Request,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "",  # noqa: A002  # in the form
) -> Response:
    """Begin a session, or say that this was wrong."""
    guard = guard_of(request)
    found = await guard.log_in(name, password, address_of(request))
    if isinstance(found, Refused):
        wait = math.ceil(found.wait)
        page = render(
            request,
            "login.html",
            429 if wait else 401,
            target=local(next),
            wait=wait,
            failed=True,
            name=name,
        )
        if wait:
            page.headers["retry-after"] = str(wait)
        return page
    guard.close(request.cookies.get(guard.cookie))
    response = RedirectResponse(local(next), 303)
    response.set_cookie(guard.cookie, found, httponly=True, samesite="strict", secure=guard.tls)
    return response


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """End the session."""
    guard = guard_of(request)
    guard.log_out(request.cookies.get(guard.cookie), address_of(request))
    response = RedirectResponse(LOGIN, 303)
    response.delete_cookie(guard.cookie, httponly=True, samesite="strict", secure=guard.tls)
    return response
