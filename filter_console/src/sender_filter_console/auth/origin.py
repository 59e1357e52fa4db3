"""Whether a change was asked for by a page of this console, and not by one of another site."""

import hmac
from collections.abc import Mapping

TOKEN_HEADER = "x-csrf-token"  # noqa: S105  # the header's name
TOKEN_FIELD = "csrf"  # noqa: S105  # the field's name


def is_foreign(headers: Mapping[str, str], scheme: str) -> bool:
    """Whether a browser says that the request comes from a page of another site.

    Browsers send ``Origin`` with each change; what sends neither that nor ``Sec-Fetch-Site`` is no
    browser, and not driven by another site either.
    """
    origin = headers.get("origin")
    if origin is not None:
        return origin.lower() != f"{scheme}://{headers.get('host', '')}".lower()
    return headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}


def is_token(given: str | None, expected: str) -> bool:
    """Whether the token that came with a change is that of the session."""
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())
