"""Whether ``state.url`` can be read, seen before a library quotes a password in its error.

A password with a slash ends the authority (RFC 3986 section 3.2), and its beginning is taken for a
port or a host then. So what such a password would leave behind is refused, though some of it might
be meant: an ``@`` behind the authority, a path that is no number of a database.
"""

import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from sender_filter.settings import secrets

_USER = r"(?:[^/?\#]*@)?"
_URL = re.compile(
    rf"""rediss?:// {_USER} (?:[^@:/?\#\[\]]+ | \[[0-9A-Fa-f:.]+\])? (?::\d+)?
            (?:/\d*)? (?:\?[^\#@]*)?
      | unix:// {_USER} /[^?\#@]* (?:\?[^\#]*)?""",
    re.VERBOSE,
)
_WRONG = (
    "cannot be read as a redis://, rediss:// or unix:// address; in its password write / as %2F, "
    "@ as %40, : as %3A and # as %23"
)


def check(config: Path, text: str) -> None:
    """Check ``state.url``, also where it stands in a file, if that can be seen from here.

    It cannot before a unit has put it in its place. A play has the next one lie beside the
    configuration that it has checked, and that one counts: the file in use may be what it mends.

    Raises:
        ValueError: It cannot be used; the message quotes nothing of it.
    """
    url = _seen(config, text)
    if url is not None and not _is_readable(url):
        raise ValueError(_WRONG)


def _seen(config: Path, text: str) -> str | None:
    """The address itself; None if its file cannot be read.

    Raises:
        ValueError: The file is no text.
    """
    for place in (secrets.beside(config, text), text):
        try:
            return secrets.read("state.url", place)
        except OSError:
            continue
        except ValueError:  # it would quote bytes
            raise ValueError(_WRONG) from None
    return None


def _is_readable(url: str) -> bool:
    with suppress(ValueError):  # of urllib, which the library reads it with: it quotes
        return _URL.fullmatch(url) is not None and (urlsplit(url).port or 0) >= 0
    return False
