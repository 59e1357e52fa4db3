"""The topology that the last play declared, kept on the host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..postfix import atomic
from .model import EDGE, INLINE, Ports

FILE = Path("/var/lib/mail-topology/declared.json")


def render(
    topology: str,
    ports: Ports,
    options: Mapping[str, str] | None = None,
    move: Mapping[str, object] | None = None,
) -> bytes:
    """The record's bytes; the same declaration gives the same bytes.

    `options` are what a later move must know not to be the operator's own: in `edge` the overrides
    of Postfix's service behind the filter, in `inline` what the service in front was given.
    `move` is what the same move needs beside that (`Request.kept`); older records have none.
    """
    record: dict[str, object] = {"topology": topology, "listen": ports.listen, "smtp": ports.smtp}
    if topology == INLINE:
        record |= {"proxy": ports.proxy, "after_proxy": ports.after_proxy}
    if options:
        record["options"] = dict(options)
    if move:
        record["move"] = dict(move)
    return json.dumps(record, sort_keys=True).encode() + b"\n"


def read(file: Path = FILE) -> bytes | None:
    """The record's bytes, None if there is none."""
    return file.read_bytes() if file.exists() else None


def write(data: bytes | None, file: Path = FILE) -> None:
    """Keep a record, on disk before it returns; or with None remove it."""
    if data is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    atomic.put(file, data, 0o644)


def declared(file: Path = FILE) -> str | None:
    """The topology on record, None if nothing was declared yet."""
    data = read(file)
    return str(json.loads(data)["topology"]) if data else None


def options(file: Path = FILE, *, topology: str = EDGE) -> dict[str, str] | None:
    """The options on record of a topology, None if another one was declared last."""
    data = read(file)
    found = json.loads(data) if data else {}
    return dict(found.get("options", {})) if found.get("topology") == topology else None
