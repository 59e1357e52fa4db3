"""Move a service to another name and back, byte for byte, without a marker in the file.

``move`` comments the entry out and puts a copy under the new name right below it. ``move_back``
proves that the comment above is that entry by moving it once more and comparing the result
with what is there; then the original bytes are known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .errors import AmbiguousService, InvalidConfig, InvalidValue, NoSuchService
from .lines import Block, Gap, body, completed, eol_of, is_continuation, is_start, terminator
from .master_cf import FIELDS, CommentedEntry, Entry, MasterDocument, set_option, set_service
from .service import check_name, identity

if TYPE_CHECKING:
    from collections.abc import Mapping


def move(
    doc: MasterDocument,
    service: str,
    kind: str,
    to: str,
    options: Mapping[str, str] | None = None,
) -> MasterDocument:
    """Return the document with the service moved to another name.

    Args:
        doc: the document; it is not changed.
        service: the name the service has now, as ``smtp``.
        kind: its type, as ``inet``.
        to: the name it gets, as ``127.0.0.1:2500``.
        options: ``-o`` options that the moved entry has in addition, or with another value.

    Raises:
        AmbiguousService: more than one entry could be meant, or both names are in use.
        NoSuchService: neither name is in use.
    """
    _check_names(service, kind, to)
    new = doc.copy()
    home, target = _find_both(new, service, kind, to)
    if home:
        _relocate(new, home, to, options or {})
    elif target:
        new.set_options(target, options or {})
    else:
        raise _missing(new, service, kind, to)
    return new


def move_back(
    doc: MasterDocument,
    service: str,
    kind: str,
    moved_to: str,
    options: Mapping[str, str] | None = None,
) -> MasterDocument:
    """Return the document with a moved service back under its own name.

    An entry that was edited after the move keeps the edits; only its name and the options that
    the move set go back.

    Args:
        doc: the document; it is not changed.
        service: the name the service had, as ``smtp``.
        kind: its type.
        moved_to: the name it has now.
        options: the options that ``move`` was given.

    Raises:
        AmbiguousService: more than one entry could be meant, or both names are in use.
        NoSuchService: neither name is in use.
    """
    _check_names(service, kind, moved_to)
    new = doc.copy()
    home, target = _find_both(new, service, kind, moved_to)
    if target:
        _restore(new, target, service, options or {})
    elif not home:
        raise _missing(new, service, kind, moved_to)
    return new


def _check_names(service: str, kind: str, to: str) -> None:
    check_name(service, kind)
    check_name(to, kind)
    if identity(service, kind) == identity(to, kind):
        msg = f"{service}/{kind} and {to}/{kind} are the same service"
        raise InvalidValue(msg)


def _find_both(
    doc: MasterDocument, service: str, kind: str, to: str
) -> tuple[Entry | None, Entry | None]:
    home, target = doc.find(service, kind), doc.find(to, kind)
    if len(home) > 1 or len(target) > 1 or (home and target):
        found = sorted(home + target, key=lambda entry: entry.line)
        places = " and ".join(
            f"line {entry.line} ({entry.service} {entry.type})" for entry in found
        )
        msg = (
            f"{places}: only one of these entries may be active for {service}/{kind} to move; "
            "comment the other out"
        )
        raise AmbiguousService(msg)
    return (home[0] if home else None), (target[0] if target else None)


def _missing(doc: MasterDocument, service: str, kind: str, to: str) -> NoSuchService:
    commented = doc.commented(service, kind)
    if commented:
        lines = ", ".join(str(found.line) for found in commented)
        hint = f"it is commented out at line {lines}: remove the '#' there"
    else:
        hint = f"add a line for {service} {kind}"
    return NoSuchService(f"no active entry {service}/{kind} or {to}/{kind}; {hint}")


def _moved(
    lines: list[str], to: str, options: Mapping[str, str], eol: str
) -> tuple[list[str], list[str]]:
    """Return the commented lines of an entry, and the lines of its copy under the new name."""
    own_eol = eol_of(lines) if any(line.endswith("\n") for line in lines) else eol
    commented = ["#" + line for line in [*lines[:-1], completed(lines[-1], own_eol)]]
    copy = Entry(list(lines))
    set_service(copy, to)
    for name, value in options.items():
        set_option(copy, name, value, own_eol)
    return commented, copy.lines


def _relocate(doc: MasterDocument, home: Entry, to: str, options: Mapping[str, str]) -> None:
    if len(home.fields) < len(FIELDS):
        msg = f"line {home.line}: the entry has {len(home.fields)} fields, {len(FIELDS)} are needed"
        raise InvalidConfig(msg)
    commented, copy = _moved(home.lines, to, options, doc.eol)
    doc.forget(home)
    moved = Entry(copy)
    doc.replace_block(home, [Gap(commented), moved])
    doc.adopt(moved)


def _restore(doc: MasterDocument, target: Entry, service: str, options: Mapping[str, str]) -> None:
    gap = _gap_above(doc, target)
    original = _original(gap, target, service, options, doc.eol) if gap else None
    if gap and original:
        home = Entry(original)
        doc.forget(target)
        doc.replace_block(gap, [Gap(gap.lines[: -len(original)])])
        doc.replace_block(target, [home])
        doc.adopt(home)
        return
    stale = _stale(doc, gap, target, service) if gap else None
    if stale:
        rest = stale.gap.lines[: stale.start] + stale.gap.lines[stale.end :]
        doc.replace_block(stale.gap, [Gap(rest)])
    _rename_back(doc, target, service, stale.entry if stale else None, options)


def _original(
    gap: Gap, target: Entry, service: str, options: Mapping[str, str], eol: str
) -> list[str] | None:
    """Return the lines from which ``move`` made what is there; None if there are none."""
    found = _commented_last(gap, target, service)
    if found is None:
        return None
    lines = found.entry.lines
    return lines if _moved(lines, target.service, options, eol)[1] == target.lines else None


def _stale(doc: MasterDocument, gap: Gap, target: Entry, service: str) -> CommentedEntry | None:
    """Return the comment that a moved entry left behind, once the entry was edited."""
    recognised = [commented for commented in doc.all_commented() if commented.gap is gap]
    last = recognised[-1] if recognised else None
    if last is None or not _is_service(last.entry, target, service):
        return None
    return _whole(last, target) if last.entry.command == target.command else None


def _whole(found: CommentedEntry, target: Entry) -> CommentedEntry:
    """Return the comment with the lines behind it that are arguments by what the target has."""
    own = {body(line) for line in target.lines}
    end = found.end
    for index, line in enumerate(found.gap.lines[found.end :], found.end + 1):
        if not line.startswith("#") or body(line[1:]) not in own:
            break
        end = index if is_continuation(line[1:]) else end
    more = [line[1:] for line in found.gap.lines[found.end : end]]
    return replace(found, entry=Entry([*found.entry.lines, *more]), end=end)


def _rename_back(
    doc: MasterDocument,
    target: Entry,
    service: str,
    home: Entry | None,
    options: Mapping[str, str],
) -> None:
    doc.rename(target, home.service if home else service)
    set_by_move = [name for name, value in options.items() if target.option(name) == value.strip()]
    doc.set_options(target, {name: home.option(name) if home else None for name in set_by_move})


def _gap_above(doc: MasterDocument, target: Entry) -> Gap | None:
    blocks: list[Block] = doc.blocks
    above = blocks[blocks.index(target) - 1] if blocks[0] is not target else None
    return above if isinstance(above, Gap) else None


def _commented_last(gap: Gap, target: Entry, service: str) -> CommentedEntry | None:
    """Return the commented-out service that ends with the last line of the gap."""
    for start in range(len(gap.lines) - 1, -1, -1):
        line = gap.lines[start]
        if not line.startswith("#"):
            return None
        if is_start(line[1:]):
            entry = Entry(_uncommented(gap.lines[start:], terminator(target.lines[-1])))
            found = CommentedEntry(entry, gap, start, len(gap.lines))
            return found if _is_service(entry, target, service) else None
    return None


def _is_service(entry: Entry, target: Entry, service: str) -> bool:
    is_whole = len(entry.fields) == len(FIELDS)
    return is_whole and entry.identity == identity(service, target.type)


def _uncommented(lines: list[str], end: str) -> list[str]:
    """Return the lines without their ``#``; ``end`` is the end of an unfinished last line."""
    bare = [line[1:] for line in lines]
    if not end.endswith("\n"):
        bare[-1] = body(bare[-1]) + end
    return bare
