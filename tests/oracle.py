"""The real postconf, taken out of Debian's packages without installing a mail server.

The packages are fetched with apt-get and unpacked below the cache directory
``${SENDER_FILTER_CACHE:-~/.cache/sender-filter-toolkit}/oracle``. Nothing is installed, no
daemon is started, and nothing outside the cache is written.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGES = ("postfix", "postfix-lmdb", "postfix-pcre", "postfix-doc")
"""Postfix itself, for its programs and for the files it ships."""

CORPUS_PACKAGES = (
    "amavisd-new",
    "augeas-lenses",
    "clamsmtp",
    "mlmmj",
    "opendkim",
    "policyd-weight",
    "postfix-policyd-spf-perl",
    "postfix-policyd-spf-python",
    "postfixadmin",
    "spampd",
)
"""Packages whose examples and manuals hold entries of master.cf."""

_FROM_THE_SYSTEM = {"libc6", "libgcc-s1", "gcc-12-base", "gcc-14-base"}


class OracleError(Exception):
    """The oracle cannot be had; the message says what to do."""


def cache_folder() -> Path:
    """Return where the unpacked packages are kept."""
    base = os.environ.get("SENDER_FILTER_CACHE") or Path.home() / ".cache/sender-filter-toolkit"
    release = platform.freedesktop_os_release()
    name = f"{release['ID']}-{release.get('VERSION_ID', 'rolling')}-{platform.machine()}"
    return Path(base) / "oracle" / name


class Oracle:
    """Asks the real postconf."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.packages = tree / "packages"
        self._root = tree / "root"
        self.daemon_directory = self._root / "usr/lib/postfix/sbin"

    @property
    def settings(self) -> bytes:
        """Lines of a main.cf that lead postconf to the unpacked files."""
        root = self._root
        return (
            f"shlib_directory = {root}/usr/lib/postfix\n"
            f"meta_directory = {root}/usr/share/postfix\n"
            f"daemon_directory = {self.daemon_directory}\n"
        ).encode()

    def environment(self) -> dict[str, str]:
        """Return an environment in which the unpacked programs find their libraries."""
        libraries = [self._root / "usr/lib/postfix", *self._root.glob("usr/lib/*-linux-gnu*")]
        libraries += self._root.glob("lib/*-linux-gnu*")
        return {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C",
            "LD_LIBRARY_PATH": ":".join(str(path) for path in libraries),
        }

    def postconf(
        self, main: bytes, master: bytes, *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        """Run postconf on two files; ``main`` need not lead it to its own files."""
        with tempfile.TemporaryDirectory() as folder:
            for name, data in (("main.cf", self.settings + main), ("master.cf", master)):
                (Path(folder) / name).write_bytes(data)
                os.utime(Path(folder) / name, (0, 0))  # a young file is read twice
            return self.run("-c", folder, *arguments)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run postconf."""
        return subprocess.run(
            [self._root / "usr/sbin/postconf", *arguments],
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="surrogateescape",
            env=self.environment(),
        )

    def write_commands(self, folder: Path) -> None:
        """Put a postconf and a postfix into a folder for a PATH.

        ``postfix check`` needs root, a queue and the users of an installed Postfix, so this one
        only notes that it was called, or refuses if a file ``refuse`` beside it says so. The
        Molecule scenarios run the real one.
        """
        libraries = self.environment()["LD_LIBRARY_PATH"]
        postconf = self._root / "usr/sbin/postconf"
        scripts = {
            "postconf": f'LD_LIBRARY_PATH={libraries} exec {postconf} "$@"\n',
            "postfix": (
                'here=${0%/*}\necho "$@" >> "$here/calls"\n'
                '[ ! -f "$here/refuse" ] || '
                '{ sed "s|CONFIG_DIR|$2|" "$here/refuse" >&2; exit 1; }\n'
            ),
        }
        for name, script in scripts.items():
            (folder / name).write_text("#!/bin/sh\n" + script)
            (folder / name).chmod(0o755)


def prepare() -> Oracle:
    """Return the oracle, fetching it first if it is not in the cache.

    Raises:
        OracleError: it cannot be had.
    """
    tree = cache_folder()
    wanted = "\n".join((*PACKAGES, *CORPUS_PACKAGES))
    tree.parent.mkdir(parents=True, exist_ok=True)
    with _locked(tree.with_suffix(".lock")):
        done = tree / "done"
        if not done.exists() or done.read_text() != wanted:
            shutil.rmtree(tree, ignore_errors=True)
            _fetch(tree)
            done.write_text(wanted)
    oracle = Oracle(tree)
    answer = oracle.run("-d", "mail_version")
    if answer.returncode or "mail_version" not in answer.stdout:
        msg = f"the unpacked postconf does not run: {answer.stderr}; remove {tree} and run again"
        raise OracleError(msg)
    return oracle


@contextlib.contextmanager
def _locked(path: Path):
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(tree: Path) -> None:
    for program in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(program) is None:
            msg = (
                f"{program} is missing: the tests compare with the real postconf, which they take "
                "out of Debian's packages. Run them on Debian or Ubuntu, or in scripts/lab"
            )
            raise OracleError(msg)
    try:
        _unpack(tree)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(tree, ignore_errors=True)
        msg = (
            "the packages with the real postconf cannot be fetched: run 'apt-get update', check "
            f"the network, and run again. {' '.join(error.cmd)}: {error.stderr}"
        )
        raise OracleError(msg) from error


def _unpack(tree: Path) -> None:
    archives = tree / "archives"
    archives.mkdir(parents=True)
    (tree / "packages").mkdir()
    known = {name for name in (*PACKAGES, *CORPUS_PACKAGES) if _is_known(name)}
    if "postfix" not in known and os.geteuid() == 0:
        _run(["apt-get", "update"])
        known = {name for name in (*PACKAGES, *CORPUS_PACKAGES) if _is_known(name)}
    libraries = _libraries("postfix")
    libraries |= {name for library in libraries for name in _libraries(library)}
    wanted = {"postfix"} | known | libraries
    _run(["apt-get", "-q", "download", *sorted(wanted)], cwd=archives)
    for archive in archives.glob("*.deb"):
        name = archive.name.split("_")[0]
        if name not in libraries:
            _run(["dpkg-deb", "-x", str(archive), str(tree / "packages" / name)])
        if name in libraries or name in PACKAGES:
            _run(["dpkg-deb", "-x", str(archive), str(tree / "root")])
    shutil.rmtree(archives)


def _is_known(package: str) -> bool:
    return bool(_run(["apt-cache", "show", package], check=False))


def _libraries(package: str) -> set[str]:
    lines = _run(["apt-cache", "depends", "--important", package], check=False).splitlines()
    names = {line.split()[-1] for line in lines if "Depends:" in line}
    return {name for name in names if name.startswith("lib")} - _FROM_THE_SYSTEM


def _run(command: list[str], *, cwd: Path | None = None, check: bool = True) -> str:
    done = subprocess.run(command, cwd=cwd, check=check, capture_output=True, text=True)
    return done.stdout
