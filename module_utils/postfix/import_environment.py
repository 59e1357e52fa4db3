"""What the vendor's proxy needs in import_environment, kept and mended token by token.

The library that the vendor loads into Postfix tells it the client's address. Without it each client
behind the vendor's proxy would be 127.0.0.1, for which Postfix relays. So nothing here takes a
token away.

Source: postconf(5), import_environment; Postfix src/util/clean_env.c (of two tokens with one name
the later counts; a name without a value takes it from whoever starts Postfix) and
src/global/mail_parm_split.c; spec.md S7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePath

from .errors import InvalidValue
from .lines import Span
from .main_cf import MainDocument, Parameter, split_list

NAME = "import_environment"
# Lists of files and folders: whoever has put something of their own beside the vendor's keeps it.
_LISTS = {"LD_PRELOAD": r"[:\s]+", "LD_LIBRARY_PATH": r"[:;]"}
_LIBRARY, _PROXIES = "/lib64/libTmFoxSocketLib.so", "/config/foxproxy.list"
_PATH = re.compile(r"/[A-Za-z0-9._+@/-]*")


def library(home: str) -> str:
    """The library of the vendor's product installed below `home`."""
    return home.rstrip("/") + _LIBRARY


def settings(home: str, port: int) -> dict[str, str]:
    """The vendor's settings.

    Args:
        home: where the product is installed, as /opt/trend/imss.
        port: where Postfix listens behind the proxy.

    Raises:
        InvalidValue: the path would not be read as one word.
    """
    if not _PATH.fullmatch(home):
        msg = f"'{home}' is no absolute path of letters, digits and the characters . _ + @ - /"
        raise InvalidValue(msg)
    folder = home.rstrip("/")
    return {
        "LD_PRELOAD": library(home),
        "TM_FOX_PROXY_LIST": folder + _PROXIES,
        "LD_LIBRARY_PATH": f"{folder}/lib",
        "TM_FOX_PROXY_CONNECT_PORT": str(port),
    }


def has(name: str, value: str, wanted: str) -> bool:
    """Whether a variable with this value does what the vendor wants of it."""
    separator = _LISTS.get(name)
    return value == wanted or bool(separator and wanted in re.split(separator, value))


def problems(value: str, wanted: Mapping[str, str]) -> list[str]:
    """What is missing or wrong in a value, one phrase each; empty when all is well.

    Args:
        value: the parameter's value.
        wanted: the settings by name.
    """
    tokens = [_read(token) for token in split_list(value)]
    found = []
    for name, right in wanted.items():
        given = [one for token, one in tokens if token == name]
        if not given:
            found.append(f"lacks {name}={right}")
        found += [
            f"has {name if one is None else f'{name}={one}'} instead of {name}={right}"
            for one in given
            if one is None or not has(name, one, right)
        ]
    return found


def repair(data: bytes, wanted: Mapping[str, str], default: Callable[[], str]) -> bytes:
    """Return main.cf with these settings in the parameter; all that is in order stays.

    Args:
        data: the file.
        wanted: the settings by name.
        default: tells Postfix's own value, from which a missing or empty parameter is built anew.
    """
    document = MainDocument.parse(data)
    if not split_list(document.get(NAME) or ""):
        words = [f"{name}={value}" for name, value in wanted.items()]
        document.set(NAME, " ".join(filter(None, [default().strip(), *words])))
        return document.render()
    parameter = document.find(NAME)[-1]
    homes = _homes(parameter)
    for index in range(len(parameter.tokens)):
        _mend(parameter, index, wanted, homes)
    names = {_read(token.text)[0] for token in parameter.tokens}
    missing = [f"{name}={value}" for name, value in wanted.items() if name not in names]
    document.add_tokens(NAME, missing)
    return document.render()


def _homes(parameter: Parameter) -> set[str]:
    """Where the vendor's product is or was, by what the vendor's tokens say."""
    words = [
        word
        for name, value in (_read(token.text) for token in parameter.tokens)
        for word in re.split(_LISTS.get(name, r"\s+"), value or "")
    ]
    ends = (_LIBRARY, _PROXIES)
    return {word.removesuffix(end) for word in words for end in ends if word.endswith(end)}


def _mend(
    parameter: Parameter, index: int, wanted: Mapping[str, str], homes: Collection[str]
) -> None:
    """Give one token of the value its right value, where it stands."""
    token = parameter.tokens[index]
    name, value = _read(token.text)
    right = wanted.get(name)
    if right is None or (value is not None and has(name, value, right)):
        return
    if value:
        # From the right: the value may stand in the name as well.
        start = token.span.start + token.text.rindex(value)
        mended = _mended(name, value, right, homes)
        parameter.splice(Span(start, start + len(value)), mended)
    else:
        parameter.splice(token.span, f"{name}={right}")


def _mended(name: str, value: str, right: str, homes: Collection[str]) -> str:
    """The value with the right member in the place of the vendor's from another home, or added."""
    if name not in _LISTS:
        return right
    members = re.split(f"({_LISTS[name]})", value)  # and what stands between them
    mended = "".join(right if _is_vendors(name, one, homes) else one for one in members)
    return mended if mended != value else f"{value}:{right}"


def _is_vendors(name: str, member: str, homes: Collection[str]) -> bool:
    if name == "LD_PRELOAD":
        return PurePath(member).name == PurePath(_LIBRARY).name
    return member.rstrip("/") in {f"{home}/lib" for home in homes}


def _read(token: str) -> tuple[str, str | None]:
    """Name and value of a token, `name=value` or `{ name = value }`; None without a value."""
    text = token[1:-1] if token.startswith("{") and token.endswith("}") else token
    name, equals, value = text.partition("=")
    return name.strip(), value.strip() if equals else None
