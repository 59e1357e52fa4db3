"""What is fuzzed holds for the inputs that the fuzzer begins with."""

import importlib
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parent.parent / "fuzz"
NAMES = sorted(file.stem for file in (FUZZ / "targets").glob("[a-z]*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_each_seed_passes_whole_and_cut_off_anywhere(name, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [str(FUZZ), *sys.path])
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    target = importlib.import_module(f"targets.{name}")
    assert target.SEEDS
    for seed in target.SEEDS:
        target.check(seed)
        for end in range(0, len(seed), 7):
            target.check(seed[:end] + target.WORDS[end % len(target.WORDS)])
