"""The code that can take a move back, as one file on the host: it must not need Ansible.

The command `mail-topology` is this very code, so it knows the snapshots that it finds.
"""

from __future__ import annotations

import io
import sys
import zipfile
from importlib import resources
from pathlib import Path

from ..postfix import atomic

FILE = Path("/usr/local/lib/mail-topology/mail-topology.pyz")
COMMAND = Path("/usr/local/sbin/mail-topology")
PACKAGES = ("postfix", "snapshots", "topology")
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same code gives the same bytes


def install(*, check: bool = False) -> bool:
    """Put the program in place, if it is not there already; only look with `check`.

    Returns:
        Whether it was not there.
    """
    data = render()
    missing = not FILE.exists() or FILE.read_bytes() != data
    unlinked = not COMMAND.is_symlink()
    if missing and not check:
        FILE.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        atomic.put(FILE, data, 0o755)
    if unlinked and not check:
        COMMAND.symlink_to(FILE)
    return missing or unlinked


def render() -> bytes:
    """The program: a zip file that Python runs (zipapp)."""
    # Named where it is used: it needs this module too, and Ansible packs what is named.
    from . import entry  # noqa: PLC0415

    first = entry.__name__.rpartition(".")[2]
    main = f"from mail_topology.topology.{first} import main\nmain()\n"
    parent = __package__.rpartition(".")[0]
    files = {"__main__.py": main.encode(), "mail_topology/__init__.py": b""}
    for package in PACKAGES:
        for source in resources.files(f"{parent}.{package}").iterdir():
            if source.name.endswith(".py"):
                files[f"mail_topology/{package}/{source.name}"] = source.read_bytes()
    buffer = io.BytesIO(f"#!{sys.executable} -I\n".encode())
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), data)
    return buffer.getvalue()
