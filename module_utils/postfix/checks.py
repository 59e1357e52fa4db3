"""What master and the daemons would refuse, which neither postconf nor postfix check says.

Source: Postfix src/master/master_ent.c (get_master_ent), src/util/split_nameval.c.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from . import options as opt
from .master_cf import FIELDS, Entry, MasterDocument
from .service import TYPES, inet_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lines import Orphan
    from .main_cf import MainDocument


class Severity(Enum):
    """What a problem does."""

    STOPS = "Postfix stops, or does not start"
    BREAKS = "the service does not start"
    ODD = "it works, but perhaps not as it was meant"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file, on a line of it."""

    line: int
    text: str
    severity: Severity = Severity.STOPS


def master_problems(doc: MasterDocument, daemon_directory: str | None = None) -> list[Problem]:
    """Return what is wrong in a master.cf.

    Args:
        doc: the file.
        daemon_directory: where the programs are; None leaves them unchecked.
    """
    problems = [_orphan(orphan) for orphan in doc.orphans]
    entries = doc.entries
    for entry in entries:
        problems += [Problem(entry.line, text) for text in _entry_problems(entry)]
        if daemon_directory and entry.command:
            problems += _command_problems(entry, Path(daemon_directory))
    problems += _duplicates(entries)
    return sorted(problems, key=lambda problem: problem.line)


def main_problems(doc: MainDocument) -> list[Problem]:
    """Return what is wrong in a main.cf."""
    problems = [_orphan(orphan) for orphan in doc.orphans]
    seen: dict[str, int] = {}
    for parameter in doc.parameters:
        name = parameter.name
        if not name:
            text = f"'{_shortened(parameter.text)}' is not of the form 'name = value'"
            problems.append(Problem(parameter.line, text))
        elif name in seen:
            text = f"{name} is set again, which overrides line {seen[name]}"
            problems.append(Problem(parameter.line, text, Severity.ODD))
        seen[name] = parameter.line
    return problems


def _shortened(text: str) -> str:
    return textwrap.shorten(text, 60, placeholder=" ...")


def _orphan(orphan: Orphan) -> Problem:
    text = f"'{_shortened(orphan.lines[0].strip())}' is indented and belongs to nothing: ignored"
    return Problem(orphan.line, text, Severity.ODD)


def _entry_problems(entry: Entry) -> Iterator[str]:
    fields = entry.fields
    if len(fields) < len(FIELDS):
        yield f"the entry has {len(fields)} fields, {len(FIELDS)} are needed: {' '.join(fields)}"
        return
    if entry.type not in TYPES:
        yield f"'{entry.type}' is not a service type; Postfix knows {', '.join(TYPES)}"
    for name, value in zip(FIELDS[2:5], fields[2:5], strict=True):
        if value not in ("y", "n", "-"):
            yield f"the field {name} is '{value}', it must be y, n or -"
    if not re.fullmatch(r"-|[0-9]+\??", fields[5], re.ASCII):
        yield f"the field wakeup is '{fields[5]}', it must be a number of seconds, N? or -"
    if not re.fullmatch(r"-|[0-9]+", fields[6], re.ASCII):
        yield f"the field process_limit is '{fields[6]}', it must be a number or -"
    if fields[7] == "-":
        yield "the field command has no default"
    if any(brace in field for field in fields for brace in "{}"):
        yield "a brace in the first eight fields"
    if entry.type == "inet":
        yield from _inet_problems(entry)
    yield from _argument_problems(entry)


def _inet_problems(entry: Entry) -> Iterator[str]:
    if entry.fields[2] != "n":
        yield f"the field private is '{entry.fields[2]}', an inet service needs n"
    problem = inet_problem(entry.service)
    if problem:
        yield problem


def _argument_problems(entry: Entry) -> Iterator[str]:
    words = entry.words[len(FIELDS) :]
    for word in words:
        if word.text.startswith("{") and opt.closing_brace(word.text) != len(word.text) - 1:
            yield f"the braces do not match in: {_shortened(word.text)}"
    known = {option.flag.span for option in entry.arguments.options}
    for word in words[: len(words) - len(entry.arguments.rest)]:
        is_option = re.match(r"-[^o-]*o", word.text)
        if is_option and word.span not in known and not _is_argument(word, entry):
            yield f"an option without name=value near: {_shortened(word.text)}"


def _is_argument(word: opt.Word, entry: Entry) -> bool:
    return any(option.argument.span == word.span for option in entry.arguments.options)


def _command_problems(entry: Entry, folder: Path) -> list[Problem]:
    program = folder / entry.command
    if program.is_file():
        return []
    return [Problem(entry.line, f"there is no program {program}", Severity.BREAKS)]


def _duplicates(entries: list[Entry]) -> Iterator[Problem]:
    seen: dict[object, Entry] = {}
    for entry in entries:
        if not entry.type:
            continue
        other = seen.setdefault(entry.identity, entry)
        if other is not entry:
            text = (
                f"{entry.service}/{entry.type} is the same service as line {other.line}; "
                "the later line wins"
            )
            yield Problem(entry.line, text, Severity.ODD)
            seen[entry.identity] = entry
