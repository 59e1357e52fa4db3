"""Fuzzes each target for a fixed number of executions, from a fixed seed (``scripts/fuzz``).

Each target runs in a process of its own, under atheris (libFuzzer): coverage of the filter's code
says which inputs are worth changing further.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import targets

HERE = Path(__file__).resolve().parent
SOURCES = [str(HERE.parent / "src"), str(HERE.parent / "tests")]
NAMES = sorted(module.name for module in pkgutil.iter_modules(targets.__path__))
SEED = 1
LONGEST_INPUT = 2048
MOST_SECONDS, MOST_MEGABYTES = 10, 1024
"""What one input may cost: more is a finding."""


def fuzz(name: str, folder: Path, runs: int) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris  # noqa: PLC0415 - it belongs to the process that fuzzes

    sys.path[:0] = SOURCES
    with atheris.instrument_imports(include=["sender_filter"]):
        target = importlib.import_module(f"targets.{name}")
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(target.SEEDS):
        (corpus / str(number)).write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.WORDS))
    options = {
        "runs": runs, "seed": SEED, "max_len": LONGEST_INPUT, "timeout": MOST_SECONDS,
        "rss_limit_mb": MOST_MEGABYTES, "dict": words, "artifact_prefix": f"{folder}/found-",
        "print_final_stats": 1, "verbosity": 0,
    }  # fmt: skip
    arguments = [sys.argv[0], *(f"-{key}={value}" for key, value in options.items()), str(corpus)]
    atheris.Setup(arguments, target.check)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    """A word as libFuzzer's dictionary has it."""
    return "".join(f"\\x{byte:02x}" for byte in word)


def run(name: str, runs: int, keep: Path) -> tuple[int, bool]:
    """Fuzz one target in a process of its own.

    Returns:
        How many executions there were, and whether all of them went well.
    """
    folder = keep / name
    folder.mkdir()
    began = time.monotonic()
    command = [sys.executable, __file__, "--in", str(folder), str(runs), name]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False,
        env=os.environ | {"TMPDIR": str(folder)},
    )  # fmt: skip
    output = done.stdout + done.stderr
    counted = re.search(r"stat::number_of_executed_units:\s+([0-9]+)", output)
    executions = int(counted[1]) if counted else 0
    well = done.returncode == 0 and executions >= runs
    if not well:
        print(output[-4000:])
        print(f"{name}: FOUND, see {folder}/found-*")
    seconds = time.monotonic() - began
    print(f"{name}: {executions} executions in {seconds:.0f} s", flush=True)
    return executions, well


def main() -> int:
    """Fuzz, and sum up on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=20_000, help="executions a target")
    parser.add_argument("names", nargs="*", default=NAMES, metavar="target", help=" ".join(NAMES))
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    options: Any = parser.parse_args()
    if options.folder:
        fuzz(options.names[0], options.folder, options.runs)
        return 0
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    keep = Path(tempfile.mkdtemp(prefix="sender-filter-fuzz-"))
    results = [run(name, options.runs, keep) for name in options.names]
    failed = sum(not well for _, well in results)
    if not failed:
        shutil.rmtree(keep)
    print(f"{sum(count for count, _ in results)} executions, {failed} targets with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
