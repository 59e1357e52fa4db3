"""What a module takes is what its documentation says."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from module_utils.calls.options import OF_MODULE

LIBRARY = Path(__file__).resolve().parents[2] / "library"


def documented(name: str) -> dict[str, Any]:
    tree = ast.parse((LIBRARY / f"{name}.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTATION":
            options: dict[str, Any] = yaml.safe_load(ast.literal_eval(node.value))["options"]
            return options
    raise AssertionError(name)


def comparable(options: dict[str, Any], inner: str) -> dict[str, Any]:
    """What both tell of each option; `inner` is where the options inside of one are."""
    return {
        name: {
            "type": one.get("type", "str"),
            "elements": one.get("elements"),
            "required": one.get("required", False),
            "default": one.get("default"),
            "choices": one.get("choices"),
            "inside": comparable(one.get(inner, {}), inner),
        }
        for name, one in options.items()
    }


@pytest.mark.parametrize("name", OF_MODULE)
def test_options_are_as_documented(name: str) -> None:
    assert comparable(OF_MODULE[name], "options") == comparable(documented(name), "suboptions")
