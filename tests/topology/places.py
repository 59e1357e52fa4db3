"""Leads all that the code keeps on a host into one folder: no test touches the machine."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

FRONT_NAMES = {"senderfilter": "EDGE", "inlinefilter": "INLINE"}


def lead_into(
    folder: Path, setattr_: Callable[[Any, str, Any], None], package: str = "module_utils"
) -> None:
    """Set the constants of the modules; `setattr_` may be one that is taken back."""

    def module(name: str) -> ModuleType:
        return importlib.import_module(f"{package}.{name}")

    state, units = folder / "var/lib/mail-topology", folder / "etc/systemd/system"
    state.mkdir(parents=True, exist_ok=True)
    for name in ("etc/systemd/system", "run/sender-filter", "run/lock", "usr/local/sbin"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    record, journal, store = (
        module("topology.record"),
        module("topology.journal"),
        "snapshots.store",
    )
    setattr_(record, "FILE", state / "declared.json")
    for function in (record.read, record.write, record.declared, record.options):
        setattr_(function, "__defaults__", (state / "declared.json",))
    setattr_(journal, "FILE", state / "move.json")
    setattr_(module(store), "FOLDER", state)
    setattr_(module(store).Store.__init__, "__defaults__", (state,))
    setattr_(module("topology.fronts"), "RUN_FOLDER", folder / "run/sender-filter")
    setattr_(module("topology.fronts"), "UNIT_FOLDER", units)
    guard, program = module("topology.guard"), module("topology.program")
    setattr_(guard, "BOOT_UNIT", units / guard.BOOT_UNIT.name)
    setattr_(program, "FILE", folder / "usr/local/lib/mail-topology/mail-topology.pyz")
    setattr_(program, "COMMAND", folder / "usr/local/sbin/mail-topology")
    setattr_(module("topology.restore"), "UNIT_FOLDER", f"{folder}/etc/systemd/")
    setattr_(module("topology.nightly"), "FILE", folder / "var/log/mail-topology/nightly.jsonl")
    locks = folder / "run/lock"
    setattr_(module("postfix.atomic"), "_lock_folder", lambda given: Path(given or locks))
    _name_units(module, setattr_)


def _name_units(
    module: Callable[[str], ModuleType], setattr_: Callable[[Any, str, Any], None]
) -> None:
    """Which unit a process belongs to is systemd's to say; here its name says it."""
    sockets, fronts = module("topology.sockets"), module("topology.fronts")
    units = {name: getattr(fronts, front).service_unit for name, front in FRONT_NAMES.items()}
    look = sockets._process

    def process(folder: Path) -> Any:
        found = look(folder)
        return replace(found, unit=units[found.name]) if found and found.name in units else found

    setattr_(sockets, "_process", process)
