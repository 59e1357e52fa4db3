"""Makes HTML of templates, so that no text of a stranger is more than text."""

import hashlib
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sender_filter_console import __version__, i18n
from sender_filter_console.auth.gate import visitor_of
from sender_filter_console.pages import words

STATIC: Final = Path(__file__).with_name("static")
THEMES: Final = ("auto", "light", "dark")

_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
"""Controls, and what changes how its neighbours are read, as overrides of the direction do."""


def visible(value: object) -> object:
    r"""A value as it is shown: what cannot be seen in a text is written out (``\u202e``).

    It is Jinja's ``finalize``: each ``{{ … }}`` of each template passes here before it is escaped.
    """
    if isinstance(value, str) and not isinstance(value, Markup):
        return _INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", value)
    return value


def moment(value: datetime) -> Markup:
    """A time to the second, in UTC."""
    utc = value.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        utc.isoformat(timespec="seconds"), utc.strftime("%Y-%m-%d %H:%M:%S")
    )


def minute(value: datetime) -> str:
    """A time as a form's field for times has it."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def to_the_minute(value: datetime) -> str:
    """A time within a text."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def query(**values: object) -> str:
    """A query string of those values that say something."""
    return urlencode({name: value for name, value in values.items() if value not in (None, "")})


@cache
def asset(name: str) -> str:
    """The address of a file in ``static/``, which changes whenever the file does."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("sender_filter_console.pages"),
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["moment"] = moment
    environment.filters["minute"] = minute
    environment.filters["to_the_minute"] = to_the_minute
    environment.globals.update(asset=asset, query=query, words=words, version=__version__)
    return environment


def language_of(request: Request) -> str:
    """The language that a reader has chosen, or that his browser asks for."""
    return i18n.choose(request.cookies.get("language"), request.headers.get("accept-language", ""))


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A page.

    Args:
        request: Who asks, and in which language.
        template: Its template.
        status: The status of the answer.
        context: What the template shows.
    """
    visitor = visitor_of(request)
    session = visitor.session if visitor else None
    theme = request.cookies.get("theme", "auto")
    notes: list[str] = []
    if session and "hx-request" not in request.headers:
        notes, session.notes = session.notes, []
    text = (
        _environment()
        .get_template(template)
        .render(
            request=request,
            user=visitor.user if visitor else None,
            csrf=session.csrf if session else "",
            notes=notes,
            theme=theme if theme in THEMES else "auto",
            languages=i18n.LANGUAGES,
            _=i18n.translator(language_of(request)),
            **context,
        )
    )
    return HTMLResponse(text, status, headers={"vary": "Cookie, Accept-Language"})


def back_to(request: Request, target: str, note: str = "") -> Response:
    """Where a form leads, and what is said there."""
    visitor = visitor_of(request)
    if note and visitor and visitor.session:
        visitor.session.notes.append(note)
    return RedirectResponse(target, 303)


def local(target: str | None, default: str = "/") -> str:
    """A path of this console; anything else that a link may name leads to the first page."""
    if target and re.fullmatch(r"/(?![/\\])[^\x00-\x20\\]*", target):
        return target
    return default
