"""The vendor's sender filter: the process TmFoxProxy, driven by the script foxproxyd (spec.md S7).

It is no unit of systemd's: whether it starts at boot is what the vendor's console says. It listens
where its own settings say, and Postfix is told the client's address by the vendor's library, which
`import_environment` brings into each process of Postfix.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..postfix import import_environment, staging
from . import filter_status, fronts, model
from .fronts import Front
from .native import Native
from .provider import Provider
from .services import ServiceError, wait_until
from .socket_table import PROC
from .sockets import Listener, Process, listeners
from .survey import CLOSED, FilterState, Survey

PROCESS = "TmFoxProxy"
SCRIPT_SECONDS, START_SECONDS = 120.0, 20.0
LONGEST_OUTPUT = 2000


def provider_of(home: str, *, hands_over: bool = False) -> Provider:
    """The provider of a host; without a home of the vendor's product it is this project's own."""
    return Imss(home) if home else Native(hands_over)


@dataclass(frozen=True)
class Imss(Provider):
    """The proxy of the product below `home`."""

    home: str
    fronts = ()
    alone = f"{PROCESS} does not share its port"
    lingers = False
    follows = False
    proxy_protocol = False
    hands_over = False

    def __post_init__(self) -> None:
        """Refuse a path that import_environment could not hold.

        Raises:
            InvalidValue: says what is wrong.
        """
        import_environment.settings(self.home, 0)

    @property
    def script(self) -> Path:
        """What starts and stops it."""
        return Path(self.home, "script/foxproxyd")

    def states(self, ports: model.Ports, listeners: Sequence[Listener]) -> Sequence[FilterState]:
        """Whether it runs, in front of Postfix alone.

        It has to be started anew if it does not serve, or for another port.

        What is missing of the product is told by `obstacles`, so it counts as installed.
        """
        runs = _runs()
        serving = any(
            self.serves(fronts.EDGE, process)
            for one in listeners
            if one.port == ports.listen
            for process in one.processes
        )
        joined = serving and any(one.port == ports.smtp for one in listeners)
        needs = filter_status.FRESH if joined or not runs else filter_status.RESTART
        return FilterState(True, runs, runs, runs, needs, shares=False), CLOSED

    def serves(self, front: Front, process: Process) -> bool:
        """By its name."""
        return front == fronts.EDGE and process.name == PROCESS

    def listen(self, _front: Front) -> None:
        """Nobody can hold its port for it."""

    def start(self, front: Front, port: int) -> None:
        """By the vendor's script. Its return code says little: what counts is the port."""
        self._drive("start", front, port)

    def stop(self, _front: Front) -> None:
        """By the vendor's script."""
        self._foxproxyd("stop")

    def restart(self, front: Front, port: int) -> None:
        """By the vendor's script."""
        self._drive("restart", front, port)

    def reload(self, _front: Front) -> None:
        """Its files are the vendor's matter."""

    def process(self, front: Front, port: int) -> object:
        """The first of its processes that has the port open."""
        found = [
            process.pid
            for one in listeners({port})
            for process in one.processes
            if self.serves(front, process)
        ]
        return min(found, default=None)

    def last_words(self, _front: Front) -> str:
        """Where it writes them."""
        return f"its log is below {self.home}/log"

    def obstacles(self, _survey: Survey, topology: str) -> list[str]:
        """What of the product is missing, and what it cannot do."""
        library, found = import_environment.library(self.home), []
        if topology == model.INLINE:
            found.append(
                "the vendor's proxy stands in front of Postfix, and topology inline has the filter "
                "behind it: choose edge or direct, or set sender_filter_provider to native"
            )
        elif not os.access(self.script, os.X_OK):
            found.append(
                f"there is no {self.script}: set imss_home to where the vendor's product is "
                "installed, or sender_filter_provider to native"
            )
        elif topology == model.EDGE and not Path(library).exists():
            found.append(
                f"there is no {library}: without it Postfix would take each client for this host, "
                "and relay for it. Repair the vendor's installation"
            )
        return found

    def differences(self, survey: Survey, topology: str) -> list[str]:
        """import_environment is to be whole in each topology, and Postfix is to run with it."""
        file = survey.postfix.config_dir / "main.cf"
        found = [
            f"{file}: {import_environment.NAME} {problem}: the next play mends it"
            for problem in self._problems(survey)
        ]
        if self.wants_restart(survey):
            found.append(
                f"Postfix has not read {import_environment.NAME} since it was changed: restart it "
                "(a reload is not enough)"
            )
        if topology != model.EDGE and survey.filter.service_active:
            found.append(f"{PROCESS} is running: {self.script} stop")
        return found

    def main_cf(self, survey: Survey, data: bytes) -> bytes:
        """With the vendor's settings in import_environment."""
        default = partial(staging.default_of, survey.postfix.config_dir, import_environment.NAME)
        return import_environment.repair(data, self._settings(survey), default)

    def will_restart(self, survey: Survey) -> bool:
        """Where import_environment is damaged, or not read yet."""
        return bool(self._problems(survey)) or self.wants_restart(survey)

    def wants_restart(self, survey: Survey) -> bool:
        """Whether master began with other settings than main.cf has: it reads them only then.

        Source: Postfix src/master/master.c; proc_pid_environ(5).
        """
        master = survey.postfix.master_pid
        if master is None or self._problems(survey):
            return False
        given = _environment(master)
        return not all(
            name in given and import_environment.has(name, given[name], value)
            for name, value in self._settings(survey).items()
        )

    def _settings(self, survey: Survey) -> dict[str, str]:
        return import_environment.settings(self.home, survey.ports.smtp)

    def _problems(self, survey: Survey) -> list[str]:
        value = survey.postfix.parameters[import_environment.NAME]
        return import_environment.problems(value, self._settings(survey))

    def _drive(self, verb: str, front: Front, port: int) -> None:
        said = self._foxproxyd(verb)
        if not wait_until(lambda: self.process(front, port) is not None, START_SECONDS):
            msg = (
                f"{PROCESS} does not listen on port {port}, {START_SECONDS:.0f} s after "
                f"`{self.script} {verb}`:\n{said}\n{self.last_words(front)}"
            )
            raise ServiceError(msg)

    def _foxproxyd(self, verb: str) -> str:
        """Run the script, in a scope of its own: what it leaves must outlive this process' unit.

        Returns:
            What it said. That goes to a file: whoever stays has it open, and a pipe would not end.

        Raises:
            ServiceError: it has not ended within SCRIPT_SECONDS.
        """
        command = ["systemd-run", "--scope", "--quiet", "--collect", str(self.script), verb]
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            try:
                subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=SCRIPT_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                msg = f"`{self.script} {verb}` has not ended within {SCRIPT_SECONDS:g} s"
                raise ServiceError(msg) from error
            output.seek(0)
            return output.read().strip()[-LONGEST_OUTPUT:]


def _runs(proc: Path = PROC) -> bool:
    return any(_is_proxy(folder) for folder in proc.iterdir() if folder.name.isdigit())


def _is_proxy(folder: Path) -> bool:
    """Whether this is a process of the proxy, and not one of a container with ports of its own."""
    try:
        if (folder / "comm").read_text(errors="replace").strip() != PROCESS:
            return False
        return (folder / "ns/net").readlink() == (PROC / "self/ns/net").readlink()
    except OSError:  # the process has ended meanwhile
        return False


def _environment(pid: int) -> dict[str, str]:
    """The variables that a process began with."""
    try:
        data = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    words = data.decode("utf-8", "surrogateescape").split("\0")
    return {name: value for name, _, value in (word.partition("=") for word in words)}
