"""Releases of the filter: another one to install, and which one serves on a gateway."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

from lab_hosts import ROOT, LabHost


def other_archive(folder: Path, release: str) -> Path:
    """The same program as another release."""
    made = subprocess.run(
        [ROOT / "scripts/wheelhouse"], check=True, capture_output=True, text=True
    ).stdout.splitlines()[-1]
    return Path(shutil.copy(made, folder / f"sender-filter-{release}.tar"))


def empty_archive(folder: Path, release: str) -> Path:
    """A release that was packed for no version of Python."""
    archive = folder / f"sender-filter-{release}.tar"
    tarfile.open(archive, "w").close()
    return archive


def running(host: LabHost) -> str:
    """The release that serves on a gateway."""
    return Path(json.loads(host.run("senderfilter status --json"))["release"]).name
