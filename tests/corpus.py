"""The main.cf and master.cf files that Debian's packages ship, and those in their manuals."""

from __future__ import annotations

import gzip
import html
import re
import textwrap
from pathlib import Path

_NAMED = re.compile(r"(main|master)\.cf")
_ENTRY = re.compile(
    r"^[ \t]*#?[^\s#<>|]\S*[ \t]+(inet|unix|unix-dgram|fifo|pass)"
    r"([ \t]+[yn-]){3}([ \t]+\S+){2}[ \t]+\S"
)
_TAG = re.compile(r"<[^<>]*>")


def named_files(packages: Path, kind: str) -> dict[str, bytes]:
    """Return every shipped file whose name says that it is a main.cf or a master.cf."""
    return {
        str(path.relative_to(packages)): _content(path)
        for path in sorted(packages.rglob("*"))
        if path.is_file() and (found := _NAMED.match(path.name)) and found[1] == kind
    }


def texts(packages: Path) -> dict[str, bytes]:
    """Return every shipped text that holds an entry of a master.cf."""
    found = {}
    for path in sorted(packages.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > 4_000_000:
            continue
        if re.search(r"(doc|share/man|sbin|lenses|postfix)/", str(path)):
            data = _content(path)
            if b"inet" in data and _snippets(data):
                found[str(path.relative_to(packages))] = data
    return found


def snippets(packages: Path) -> dict[str, bytes]:
    """Return the entries in shipped texts as master.cf files, one for each text."""
    return {name: _snippets(data) for name, data in texts(packages).items()}


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def _snippets(data: bytes) -> bytes:
    text = html.unescape(_TAG.sub("", data.decode("utf-8", "surrogateescape")))
    lines = text.split("\n")
    parts: list[str] = []
    at = 0
    while at < len(lines):
        end = at + 1
        if _ENTRY.match(lines[at]):
            indent = len(lines[at]) - len(lines[at].lstrip())
            while end < len(lines) and re.match(rf"[ \t]{{{indent + 1},}}\S", lines[end]):
                end += 1
            parts.append(textwrap.dedent("\n".join(lines[at:end])))
        at = end
    return ("\n".join(parts) + "\n").encode("utf-8", "surrogateescape") if parts else b""
