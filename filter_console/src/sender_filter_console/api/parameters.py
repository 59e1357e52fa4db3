"""What may be asked for: the types of parameters and bodies."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field, JsonValue

from sender_filter.core.records import Function
from sender_filter_console.interface import ListName, Result

TEN_YEARS: Final = 10 * 365 * 86_400
LAST_ID: Final = 2**53 - 1

_RFC_3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def _written_out(value: object) -> object:
    """A number is a time as well to pydantic, but not to the description."""
    if not isinstance(value, str) or _RFC_3339.fullmatch(value) is None:
        msg = "write it as 2026-01-31T12:00:00Z (RFC 3339)"
        raise ValueError(msg)
    return value


# What a text must be beyond its length, by names of our own: regular expressions cannot say it.
_ADDRESS: Final[dict[str, JsonValue]] = {"format": "ip-address"}
_NETWORK: Final[dict[str, JsonValue]] = {"format": "ip-network"}
_RELAYS: Final[dict[str, JsonValue]] = {"format": "ip-network-of-known-hosts"}
_CURSOR: Final[dict[str, JsonValue]] = {"format": "cursor"}

Time = Annotated[AwareDatetime, BeforeValidator(_written_out)]
Address = Annotated[
    str, Query(max_length=100, description="IPv4 or IPv6.", json_schema_extra=_ADDRESS)
]
Network = Annotated[
    str,
    Query(
        max_length=100,
        description="An address, network or range; left out: any.",
        json_schema_extra=_NETWORK,
    ),
]
Gateway = Annotated[str | None, Query(max_length=255, description="This gateway alone.")]
After = Annotated[
    str | None,
    Query(
        max_length=200,
        description="The `next` of the page before, as it is.",
        json_schema_extra=_CURSOR,
    ),
]
Limit = Annotated[int, Query(ge=1, le=200, description="Most rows.")]
Number = Annotated[int, Path(ge=0, le=LAST_ID, description="The `id` of a decision.")]
Name = Annotated[ListName, Path(description="The list.")]
OfFunction = Annotated[Function | None, Query(description="Only what this function decided.")]
WithResult = Annotated[
    Result | None,
    Query(
        description="`refused` is both refusals; `shadow` is what a function that only watches "
        "would have refused."
    ),
]
Since = Annotated[Time | None, Query(description="Not before.")]
Until = Annotated[Time | None, Query(description="Before.")]
Beginning = Annotated[Time, Query(description="Where the chart begins.")]
Columns = Annotated[int, Query(ge=1, le=500, description="About so many columns.")]
Search = Annotated[
    str,
    Query(
        max_length=200,
        description="An address or network: entries that hold it or lie in it. Else a part of an "
        "entry or of its comment. Empty: all.",
    ),
]
RunTime = Annotated[bool, Query(description="Only what was made at run time.")]

Seconds = Annotated[
    float | None,
    Field(gt=0, le=TEN_YEARS, strict=True, description="For how long; null: for good."),
]
Comment = Annotated[str, Field(max_length=500, description="Why.")]
_STRICT: Final = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A network that is to be refused or let through from now on."""

    __pydantic_config__ = _STRICT

    network: Annotated[
        str,
        Field(
            max_length=100,
            description="An address, network or range.",
            json_schema_extra=_NETWORK,
        ),
    ]
    seconds: Seconds = None
    comment: Comment = ""


@dataclass(frozen=True, slots=True)
class Released:
    """A network, or an envelope sender, of which everything said at run time is taken back."""

    __pydantic_config__ = _STRICT

    network: Annotated[str, Field(max_length=400, json_schema_extra=_NETWORK)]


@dataclass(frozen=True, slots=True)
class Known:
    """A network whose hosts are known from now on."""

    __pydantic_config__ = _STRICT

    network: Annotated[
        str,
        Field(
            max_length=100,
            description="An address, network or range; /8, or with IPv6 /16, is the widest.",
            json_schema_extra=_RELAYS,
        ),
    ]
    seconds: Seconds = None
    comment: Comment = ""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A network of which it is taken back that its hosts, and those inside of it, are known."""

    __pydantic_config__ = _STRICT

    network: Annotated[str, Field(max_length=100, json_schema_extra=_NETWORK)]


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries, one a line, in the filter's or the vendor's notation; `#` begins a comment."""

    __pydantic_config__ = _STRICT

    text: Annotated[str, Field(max_length=30_000_000)]
    comment: Comment = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, in words."""

    done: str
