from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

ROLES = Path(__file__).parents[2] / "roles"


def plugin(role: str, name: str) -> ModuleType:
    """A filter plugin of a role, which Ansible loads by its path as well."""
    spec = importlib.util.spec_from_file_location(name, ROLES / role / f"filter_plugins/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def used(role: str, module: ModuleType) -> bool:
    """Whether a role uses each filter of a plugin by its name."""
    texts = [file.read_text() for kind in ("*.yml", "*.j2") for file in (ROLES / role).rglob(kind)]
    return all(f"| {name}" in "".join(texts) for name in module.FilterModule().filters())
