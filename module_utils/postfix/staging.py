"""Try a configuration on a copy before it takes the place of the one in use.

Postfix gets a directory of its own with the new main.cf and master.cf. The queue, the programs
and the data directory stay the real ones, so ``postfix check`` looks at them exactly as it does
for the configuration in use; it creates missing queue directories and puts misnamed queue files
in order, as every start of Postfix does. It starts, stops and signals nothing.

``postfix check`` never reads master.cf, and ``postconf -M`` accepts much that master does not,
so the checks of ``checks`` come first.

Source: Postfix conf/postfix-script (check), src/postfix/postfix.c ("-c config_dir").
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .checks import Problem, Severity, main_problems, master_problems
from .errors import InvalidConfig
from .main_cf import MainDocument
from .master_cf import MasterDocument
from .programs import find_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_TIMEOUT_SECONDS = 300
_LONG_AGO = 0
_LAST_MESSAGES = 5


@dataclass(frozen=True, slots=True)
class _Finding:
    file: str
    problem: Problem

    def text(self, folder: Path) -> str:
        return f"{folder / self.file}:{self.problem.line}: {self.problem.text}"


@dataclass(frozen=True, slots=True)
class Stage:
    """A configuration directory with files that are not in use yet.

    Attributes:
        folder: where the files will be.
        staged: where they are now.
    """

    folder: Path
    staged: Path

    def ask(self, program: str, *arguments: str) -> tuple[str, str]:
        """Run a command of Postfix on the staged files and return its output and messages.

        Raises:
            InvalidConfig: it failed, said that something is wrong, or does not end.
        """
        command = [find_program(program), "-c", str(self.staged), *arguments]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                check=False,
                encoding="utf-8",
                errors="surrogateescape",
                stdin=subprocess.DEVNULL,
                timeout=_TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            msg = f"'{program} {' '.join(arguments)}' has not ended within {_TIMEOUT_SECONDS} s"
            raise InvalidConfig(msg) from None
        said = done.stderr.replace(str(self.staged), str(self.folder)).splitlines()
        if done.returncode or any(re.search(r": (fatal|error|panic): ", line) for line in said):
            said = _telling(said) or _telling(self._logged())
            words = "; ".join(said) or f"it ended with {done.returncode}"
            msg = f"'{program} {' '.join(arguments)}' refuses the new configuration: {words}"
            raise InvalidConfig(msg)
        return done.stdout, "\n".join(said)

    def _logged(self) -> list[str]:
        """What the log says of the staged files: postfix(1) without a terminal speaks there."""
        journal = ["journalctl", "--quiet", "--no-pager"]
        wanted = ["--facility=mail", "--output=cat", "--since=-1min"]
        try:
            for words in (["--sync"], wanted):
                shown = subprocess.run(
                    [*journal, *words], check=False, capture_output=True, timeout=_TIMEOUT_SECONDS
                )
        except (OSError, subprocess.TimeoutExpired):
            return []  # the log is not systemd's, or does not answer
        log = shown.stdout.decode(errors="surrogateescape").splitlines()
        lines = [line for line in log if str(self.staged) in line]
        return [line.replace(str(self.staged), str(self.folder)) for line in lines]


def _telling(said: list[str]) -> list[str]:
    """Return the last messages, which lead to the failure, without the program's path."""
    telling = [line for line in said if ": unused parameter: " not in line]
    return [re.sub(r"^\S*/", "", line) for line in telling[-_LAST_MESSAGES:]]


def validate(
    config_dir: str | Path, changes: Mapping[str, bytes], *, restart: bool = True
) -> list[str]:
    """Check new versions of main.cf and master.cf together with what is there.

    Args:
        config_dir: the configuration directory, as /etc/postfix.
        changes: the new bytes by file name.
        restart: whether Postfix must be able to start with them, which ``postfix check`` tells, and
            takes half a second. For a new master.cf and a Postfix that runs it is enough to see
            that postfix(1) can work with main.cf, as a reload does: ``postfix status``.

    Returns:
        Warnings that the change brings: what Postfix accepts but probably nobody meant.

    Raises:
        InvalidConfig: what is wrong, with file and line; nothing was written.
    """
    folder = Path(config_dir)
    old = read_files(folder)
    new = {**old, **changes}
    _refuse(folder, _findings(new, None), Severity.STOPS)
    with stage(folder, new) as staged:
        programs = staged.ask("postconf", "-hx", "daemon_directory")[0].strip()
        fresh = _fresh(_findings(new, programs), _findings(old, programs))
        _refuse(folder, fresh, Severity.BREAKS)
        staged.ask("postconf", "-M")
        staged.ask("postfix", "check" if restart else "status")
    return [finding.text(folder) for finding in fresh]


def read_files(config_dir: str | Path) -> dict[str, bytes]:
    """Return the bytes of main.cf and master.cf.

    Raises:
        InvalidConfig: there is none.
    """
    try:
        return {name: (Path(config_dir) / name).read_bytes() for name in ("main.cf", "master.cf")}
    except OSError as error:
        msg = f"{error.filename}: {error.strerror}; is Postfix installed, is config_dir right?"
        raise InvalidConfig(msg) from error


@contextlib.contextmanager
def stage(folder: Path, files: Mapping[str, bytes]) -> Iterator[Stage]:
    """Put files into a configuration directory of their own, for as long as they are asked."""
    with tempfile.TemporaryDirectory(prefix="sender-filter-stage-") as staged:
        for name, data in files.items():
            path = Path(staged) / name
            path.write_bytes(data)
            # Postfix reads a main.cf that is younger than a second again and again until it is
            # older (dict_load_file_xt): about two seconds for a check.
            os.utime(path, (_LONG_AGO, _LONG_AGO))
        yield Stage(folder, Path(staged))


def unknown_parameters(config_dir: str | Path, changes: Mapping[str, bytes]) -> set[str]:
    """Return the names that main.cf sets and nothing in Postfix reads.

    Postfix itself judges: built-in names, names for a service in master.cf
    (``relay_destination_rate_delay``), names that another value uses as ``$name``, restriction
    classes and tables (``ldap:name``) count as known.
    """
    files = {**read_files(config_dir), **changes}
    with stage(Path(config_dir), files) as staged:
        said = staged.ask("postconf", "-n")[1]
    pattern = r"/main\.cf: (?:unused parameter: |support for parameter )([^\s=]+)(?:=| has been)"
    return set(re.findall(pattern, said))


def default_of(config_dir: str | Path, name: str) -> str:
    """Return the value that Postfix takes for a parameter that main.cf does not set."""
    folder = Path(config_dir)
    with stage(folder, read_files(folder)) as staged:
        return staged.ask("postconf", "-dh", name)[0].strip()


def _findings(files: Mapping[str, bytes], programs: str | None) -> list[_Finding]:
    main = main_problems(MainDocument.parse(files["main.cf"]))
    master = master_problems(MasterDocument.parse(files["master.cf"]), programs)
    return [_Finding("main.cf", problem) for problem in main] + [
        _Finding("master.cf", problem) for problem in master
    ]


def _fresh(new: Iterable[_Finding], old: Iterable[_Finding]) -> list[_Finding]:
    known = {(finding.file, finding.problem.text) for finding in old}
    return [finding for finding in new if (finding.file, finding.problem.text) not in known]


def _refuse(folder: Path, findings: Iterable[_Finding], severity: Severity) -> None:
    texts = [finding.text(folder) for finding in findings if finding.problem.severity is severity]
    if texts:
        raise InvalidConfig("; ".join(texts))
