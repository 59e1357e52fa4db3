"""What is said of blocks, approvals and lists."""

from typing import Literal

from msgspec import Struct

ListName = Literal["blocked", "approved", "known_hosts"]
Origin = Literal["declared", "run time"]


class RuntimeEntry(Struct, frozen=True):
    """A block, an approval or a known host that was made while the filter runs.

    Attributes:
        network: The addresses; of a block by throttling also an envelope sender, ``<a@b>``.
        kind: ``block``, ``approval`` or ``known``.
        who: Who made it: ``operator``, or the function.
        since: Since when.
        until: Until when; None: for good.
        comment: Why; of a rule, its figures.
        author: The operator's name, as far as it is known.
    """

    network: str
    kind: str
    who: str
    since: str
    until: str | None
    comment: str
    author: str = ""


class Entries(Struct, frozen=True, tag_field="answer", tag="entries"):
    """All that was made while the filter runs: blocks, approvals, known hosts."""

    entries: list[RuntimeEntry]


class ListEntry(Struct, frozen=True, omit_defaults=True):
    """One entry of a list, declared in a file or made at run time.

    Attributes:
        list: The list.
        origin: ``declared``: it stands in a file; ``run time``: an operator or a function made it.
        entry: The addresses or the domain, as they are written.
        comment: What stands behind it: the file's comment, or the operator's.
        temporary: Whether a client blocked by it is refused for now (421) and not for good.
        file: Where it is declared.
        line: On which line.
        who: Who made it: ``operator``, or the function.
        author: The operator's name.
        since: Since when.
        until: Until when; None: for good.
    """

    list: ListName
    origin: Origin
    entry: str
    comment: str = ""
    temporary: bool = False
    file: str = ""
    line: int = 0
    who: str = ""
    author: str = ""
    since: str | None = None
    until: str | None = None


class Found(Struct, frozen=True, tag_field="answer", tag="search"):
    """A page of entries.

    Attributes:
        entries: Those found, at most as many as were asked for.
        cursor: Where the next page begins; None: this was the last one.
    """

    entries: list[ListEntry]
    cursor: str | None
