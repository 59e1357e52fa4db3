"""Turn a file into what a task asks for. Each function takes bytes and returns bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .errors import AmbiguousService, InvalidValue, NoSuchService
from .main_cf import MainDocument, split_list
from .master_cf import Entry, MasterDocument
from .move import move, move_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def to_text(value: object) -> str:
    """Write a value as Postfix spells it: yes and no, numbers, lists with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(to_text(member) for member in value)
    return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Which members a list-like value must have, and which not.

    A member of ``absent`` that ends in ``*`` stands for all that begin so, except those that
    ``present`` names.
    """

    present: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    def unwanted(self, members: Iterable[str]) -> list[str]:
        """Return those of the members that must go."""
        return [
            member
            for member in members
            if member not in self.present and any(_matches(member, p) for p in self.absent)
        ]


def _matches(member: str, pattern: str) -> bool:
    if pattern.endswith("*"):
        return member.startswith(pattern[:-1])
    return member == pattern


def edit_main(
    data: bytes,
    params: Mapping[str, str],
    *,
    absent: Iterable[str] = (),
    tokens: Mapping[str, Tokens] | None = None,
    default: Callable[[str], str] = lambda _: "",
) -> bytes:
    """Return main.cf with parameters set, taken out, or changed in their members.

    Args:
        data: the file.
        params: parameters to set.
        absent: parameters to take out.
        tokens: members of list-like values.
        default: tells the value that a parameter has when the file does not set it.
    """
    doc = MainDocument.parse(data)
    for name, value in params.items():
        doc.set(name, value)
    for name in absent:
        doc.remove(name)
    for name, wanted in (tokens or {}).items():
        _edit_tokens(doc, name, wanted, default)
    return doc.render()


def _edit_tokens(
    doc: MainDocument, name: str, wanted: Tokens, default: Callable[[str], str]
) -> None:
    for token in wanted.present:
        if split_list(token) != [token]:
            msg = f"'{token}' is not one member of {name}; give each member by itself"
            raise InvalidValue(msg)
    value = doc.get(name)
    start = default(name) if value is None else ""
    members = split_list(start if value is None else value)
    doc.remove_tokens(name, wanted.unwanted(members), start)
    doc.add_tokens(name, wanted.present, start)


@dataclass(frozen=True, slots=True)
class MasterRequest:
    """What a task asks for in master.cf.

    Attributes:
        service: the name of the service.
        type: its type.
        state: present, absent or commented.
        fields: fields by name.
        options: ``-o`` options; None takes one out.
        move_to: the name to move the service to.
        move_back_from: the name to move it back from.
    """

    service: str
    type: str
    state: str = "present"
    fields: dict[str, str] = field(default_factory=dict)
    options: dict[str, str | None] = field(default_factory=dict)
    move_to: str | None = None
    move_back_from: str | None = None


def edit_master(data: bytes, request: MasterRequest) -> bytes:
    """Return master.cf as a task asks for it."""
    doc = MasterDocument.parse(data)
    if request.move_to or request.move_back_from:
        return _moved(doc, request).render()
    for entry in doc.find(request.service, request.type) if request.state != "present" else ():
        if request.state == "absent":
            doc.remove(entry)
        else:
            doc.comment(entry)
    if request.state == "present":
        _make_present(doc, request)
    return doc.render()


def _moved(doc: MasterDocument, request: MasterRequest) -> MasterDocument:
    options = {name: value for name, value in request.options.items() if value is not None}
    if len(options) < len(request.options):
        msg = "a moved service keeps its options; none can be taken out by the same task"
        raise InvalidValue(msg)
    if request.move_to:
        return move(doc, request.service, request.type, request.move_to, options)
    return move_back(doc, request.service, request.type, request.move_back_from or "", options)


def _make_present(doc: MasterDocument, request: MasterRequest) -> None:
    active = doc.find(request.service, request.type)
    if len(active) > 1:
        lines = " and ".join(f"line {entry.line}" for entry in active)
        msg = (
            f"{lines} are the same service {request.service}/{request.type}, and the last wins; "
            "remove the others"
        )
        raise AmbiguousService(msg)
    entry = active[0] if active else _uncommented(doc, request)
    if entry is None:
        given = {name: value for name, value in request.options.items() if value is not None}
        doc.add(request.service, request.type, request.fields, given)
        return
    doc.set_fields(entry, request.fields)
    doc.set_options(entry, request.options)


def _uncommented(doc: MasterDocument, request: MasterRequest) -> Entry | None:
    """Make the commented-out entry that is meant active; None if there is none."""
    command = request.fields.get("command", "").split(maxsplit=1)[:1]
    found = [
        commented
        for commented in doc.commented(request.service, request.type)
        if not command or commented.entry.command == command[0]
    ]
    if len(found) == 1:
        return doc.uncomment(found[0])
    if found and not command:
        lines = ", ".join(str(commented.line) for commented in found)
        msg = (
            f"{request.service}/{request.type} is commented out at lines {lines}; "
            "say which one by its field 'command'"
        )
        raise AmbiguousService(msg)
    if not command:
        msg = f"there is no entry {request.service}/{request.type}; give its field 'command'"
        raise NoSuchService(msg)
    return None
