"""Language and colours: what a reader prefers, kept by his browser."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from sender_filter_console import i18n
from sender_filter_console.auth.gate import guard_of
from sender_filter_console.pages.page_route import PageRoute
from sender_filter_console.pages.rendering import THEMES, back_to, local

router = APIRouter(route_class=PageRoute)

_YEAR = 365 * 86_400


@router.post("/preferences")
async def prefer(
    request: Request,
    language: Annotated[str, Form()] = "",
    theme: Annotated[str, Form()] = "",
    back: Annotated[str, Form()] = "",
) -> Response:
    """Keep what was chosen, and go back."""
    response = back_to(request, local(back))
    chosen = {"language": (language, tuple(i18n.LANGUAGES)), "theme": (theme, THEMES)}
    for name, (value, values) in chosen.items():
        if value in values:
            response.set_cookie(
                name,
                value,
                max_age=_YEAR,
                httponly=True,
                samesite="strict",
                secure=guard_of(request).tls,
            )
    return response
