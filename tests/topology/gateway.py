"""A gateway of real processes, sockets and files on this machine's loopback.

Postfix's master and the filter are programs that listen and speak SMTP (`stand_in_*.py`); systemctl
starts and stops them, and refuses what it is told to refuse.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from topology.real_sockets import bind_apart

from module_utils.topology import fronts, model, sockets, steering
from module_utils.topology.between import AFTER
from module_utils.topology.borrowing import borrowed
from module_utils.topology.model import Ports
from module_utils.topology.native import NATIVE
from module_utils.topology.request import Request
from module_utils.topology.services import wait_until
from module_utils.topology.socket_table import PROC
from module_utils.topology.survey import Survey, take

HERE = Path(__file__).parent
PYTHON = [sys.executable, "-B", "-E", "-S"]

SYSTEMCTL = r"""#!/bin/sh
host=@HOST@
echo "$@" >> "$host/systemctl-calls"
refuse() { echo "Job for $1 failed." >&2; exit 1; }
if [ -f "$host/refused" ]; then
  while read -r line; do case "$*" in "$line"*) refuse "$line" ;; esac; done < "$host/refused"
fi
verb=
units=
for word; do
  case $word in
    --*) ;;
    *) if [ -z "$verb" ]; then verb=$word; else units="$units $word"; fi ;;
  esac
done
get() { value=; [ ! -f "$host/$1" ] || IFS= read -r value < "$host/$1"; }
is() { get "$1"; [ "$value" = "$2" ]; }
front() {
  case $1 in
    sender-filter-inline.*) front=inline; port=@PROXY@; control=@RUN@/inline.sock ;;
    *) front=filter; port=@LISTEN@; control=@RUN@/control.sock ;;
  esac
}
listen() {
  @PYTHON@ @HERE@/stand_in_filter.py $front "$port" "$host" "$control" @PROGRAM@ @FILES@ \
    </dev/null >"$host/$front-log" 2>&1 || refuse "$1"
}
serve() {
  get $front.pid
  kill -USR1 "$value"
  until [ -e "$host/$front-serves.$value" ]; do kill -0 "$value" || refuse "$1"; sleep 0.01; done
}
say() { echo "$2" > "$host/$1"; }
end_master() {
  read -r old 2>/dev/null < @PID_FILE@ || return 0
  [ "$(cat /proc/$old/comm 2>/dev/null)" = master ] || return 0
  kill -USR2 "$old"
  while [ "$(cat /proc/$old/comm 2>/dev/null)" = master ]; do sleep 0.01; done
}
given() { sed -n 's/^import_environment = //p' @MAIN_CF@ | tr ' ' '\n' | grep =; }
[ "$verb" != daemon-reload ] || say unread no
[ "$verb" != show ] || {
  tell() { get "$2"; echo "$1=$value"; }
  for unit in $units; do
    front $unit
    case $unit in
      *.socket)
        tell LoadState loaded; tell ActiveState $front-socket; tell UnitFileState $front-enabled
        tell NeedDaemonReload unread ;;
      *.service)
        tell LoadState loaded; tell ActiveState $front-service; echo UnitFileState=static
        tell NeedDaemonReload unread; echo "ExecStart={ path=@PROGRAM@ ; argv[]=@PROGRAM@ ; }"
        tell ExecMainStartTimestampMonotonic $front-started ;;
    esac
    echo
  done
}
for unit in $units; do
  front "$unit"
  case $verb:$unit in
    start:sender-filter*.socket)
      is $front-socket active || { listen "$unit"; say $front-socket active; } ;;
    start:sender-filter*.service) serve "$unit"; say $front-service active ;;
    restart:sender-filter*.service)
      get $front.pid; old=$value; listen "$unit"; serve "$unit"; kill -TERM "$old" ;;
    reload:sender-filter*.service) get $front.pid; kill -HUP "$value" ;;
    stop:sender-filter*.socket) say $front-socket inactive ;;
    stop:sender-filter*.service)
      say $front-service inactive; get $front.pid; kill -TERM "$value" 2>/dev/null || true ;;
    enable:sender-filter*) say $front-enabled enabled ;;
    disable:sender-filter*) say $front-enabled disabled ;;
    restart:postfix.service)
      end_master; env $(given) @MASTER@ </dev/null >"$host/postfix-log" 2>&1 ;;
  esac
done
exit 0
"""
POSTFIX = r"""#!/bin/sh
host=@HOST@
echo "$@" >> "$host/postfix-calls"
if { [ "$3" = check ] || [ "$3" = status ]; } && [ -f "$host/refuse" ]; then
  sed "s|CONFIG_DIR|$2|" "$host/refuse" >&2
  exit 1
fi
[ "$3" != reload ] || { read -r pid < @PID_FILE@; kill -HUP "$pid"; }
"""
OTHERS = {
    "systemd-run": '#!/bin/sh\n[ "$1" != --scope ] || { shift 3; exec "$@"; }\n'
    'echo "$@" >> @HOST@/guards\n[ ! -f @HOST@/unguarded ] || { echo no guard >&2; exit 1; }\n',
    "journalctl": '#!/bin/sh\nfor last; do :; done\necho "the last words of ${last#*=}"\n',
    "dpkg-query": "#!/bin/sh\nprintf 'postfix 3.7.11-0\\namavisd-new \\npython3 3.11.2-1\\n'\n",
}


@dataclass(frozen=True)
class Gateway:
    """Where it is and what it has; `place` is its root folder, `host` its state."""

    config_dir: Path
    place: Path
    host: Path
    ports: Ports

    @property
    def master_cf(self) -> Path:
        """The file that a move changes."""
        return self.config_dir / "master.cf"

    @property
    def pid_file(self) -> Path:
        """Where master says that it runs."""
        return self.config_dir.parent / "queue/pid/master.pid"

    @property
    def moved_to(self) -> str:
        """The name of the service behind the filter."""
        return f"127.0.0.1:{self.ports.smtp}"

    @property
    def folder(self) -> Path:
        """Where journal, record and snapshots are."""
        return self.place / "var/lib/mail-topology"

    @property
    def setting(self) -> Path:
        """The filter's file."""
        return self.place / "etc/sender-filter/filter.toml"

    @property
    def releases(self) -> Path:
        """Where the filter's releases are, and the link `current`."""
        return self.place / "opt/sender-filter"

    def say(self, name: str, text: str = "") -> None:
        """Set how a stand-in behaves."""
        (self.host / name).write_text(text)

    def refuse(self, *commands: str) -> None:
        """Let systemctl fail at commands that begin so."""
        self.say("refused", "".join(f"{command}\n" for command in commands))

    def calls(self) -> set[str]:
        """The verbs with which systemctl and postfix were called."""
        found = set()
        for name, position in (("systemctl-calls", 0), ("postfix-calls", -1)):
            file = self.host / name
            lines = file.read_text().splitlines() if file.exists() else []
            found |= {line.split()[position] for line in lines}
        return found

    def systemctl(self, *arguments: str) -> None:
        """What an operator does."""
        subprocess.run(["systemctl", *arguments], check=True)

    def kill(self, name: str) -> None:
        """End `master`, the `filter` or its front `inline`, and see it gone."""
        file = self.pid_file if name == "master" else self.host / f"{name}.pid"
        process = int(file.read_text())
        os.kill(process, signal.SIGUSR2)
        assert wait_until(lambda: not _is_alive(process), 10)

    def add_service(self, port: int, options: str = "") -> str:
        """Give Postfix a service more on loopback, at the end of its file; its entry."""
        entry = f"127.0.0.1:{port} inet n - y - - smtpd\n{options}"
        with self.master_cf.open("a") as file:
            file.write(entry)
        os.kill(int(self.pid_file.read_text()), signal.SIGHUP)
        assert wait_until(lambda: bool(self.survey().on(port)), 10)
        return entry

    def session(self) -> socket.socket:
        """A session on port `listen` that was greeted, and stays."""
        connection = socket.create_connection(("127.0.0.1", self.ports.listen), timeout=10)
        assert connection.recv(512)
        return connection

    def request(self, topology: str, **wanted: Any) -> Request:
        """A move of this gateway, in which nothing is waited for longer than it must be."""
        basis = {"smtp_address": "127.0.0.1", "options": {}, "watch_seconds": 0.0}
        where = {"config_dir": self.config_dir, "ports": self.ports}
        return Request(topology=topology, **{**basis, **where, **wanted})

    def survey(self) -> Survey:
        """What is there now."""
        return take(self.config_dir, self.ports, NATIVE)

    def steered(self) -> bool:
        """Whether a program deals the connections of port `listen`; it is gone afterwards."""
        found = False
        for one in self.survey().on(self.ports.listen):
            with (
                borrowed(one.processes[0], one.inode) as sock,
                contextlib.suppress(OSError),
            ):  # there is none
                sock.setsockopt(socket.SOL_SOCKET, steering._SO_DETACH_REUSEPORT_BPF, 0)
                found = True
        return found

    def files(self) -> dict[str, tuple[object, ...]]:
        """Everything that is kept on the host, but for locks and what the stand-ins note."""
        passing = (self.host, self.place / "run", self.place / "bin", self.pid_file.parent)
        return {
            str(path): (
                path.lstat().st_mode,
                path.lstat().st_ino,
                path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes(),
            )
            for path in sorted(self.place.rglob("*"))
            if not any(path.is_relative_to(folder) for folder in passing)
        }

    def greeting(self) -> str:
        """Who answers on port `listen`."""
        with socket.create_connection(("127.0.0.1", self.ports.listen), timeout=10) as connection:
            return connection.recv(512).decode()


def _is_alive(process: int) -> bool:
    comm = PROC / str(process) / "comm"
    with contextlib.suppress(OSError):
        return comm.read_text().strip() != "gone"
    return False


@contextlib.contextmanager
def running(
    config_dir: Path, commands: Path, topology: str, *, shared: bool = False
) -> Iterator[Gateway]:
    """A gateway in a topology, its filter installed.

    `shared`: Postfix's sockets have SO_REUSEPORT, as those of Postfix 3.6 and newer do.
    """
    with contextlib.ExitStack() as held:
        held.enter_context(_without_strangers())
        ports = _free_ports(held)
        place, host = config_dir.parent, config_dir.parent / "host"
        host.mkdir()
        gateway = Gateway(config_dir, place, host, ports)
        gateway.master_cf.write_text(master_cf(ports, topology))
        with (config_dir / "main.cf").open("a") as main:
            main.write(f"queue_directory = {place}/queue\ninet_protocols = ipv4\n")
        os.utime(config_dir / "main.cf", (0, 0))  # Postfix reads a young file twice
        gateway.pid_file.parent.mkdir(parents=True)
        _install_filter(gateway)
        _write_commands(gateway, commands, shared=shared)
        held.enter_context(_living(gateway))
        gateway.systemctl("restart", "postfix.service")
        for front in fronts.ALL:
            if front.topology == topology:
                gateway.systemctl("start", *front.units)
                gateway.systemctl("enable", front.socket_unit)
        held.enter_context(socket.create_server(("127.0.0.1", ports.scan)))
        (host / "systemctl-calls").unlink()
        yield gateway


def master_cf(ports: Ports, topology: str) -> str:
    """The file as a topology has it."""
    made = {model.EDGE: moved, model.DIRECT: stock, model.INLINE: between}
    back = f"127.0.0.1:{ports.reinjection} inet n - n - - smtpd\n"
    return made[topology](ports) + back + "pickup unix n - y 60 1 pickup\n"


def stock(ports: Ports) -> str:
    """The entry of port 25 as topology direct has it."""
    return f"{ports.listen} inet n - y - - smtpd\n"


def given(ports: Ports) -> dict[str, str]:
    """What the entry of port 25 has in topology inline beside its own options."""
    return {
        "smtpd_proxy_filter": f"127.0.0.1:{ports.proxy}",
        "receive_override_options": "no_unknown_recipient_checks",
    }


def _options(options: Mapping[str, str]) -> str:
    return "".join(f"  -o {name}={value}\n" for name, value in options.items())


def between(ports: Ports) -> str:
    """The entry of port 25 and the one after the filter as topology inline has them."""
    after = stock(ports).replace(str(ports.listen), f"127.0.0.1:{ports.after_proxy}", 1)
    return stock(ports) + _options(given(ports)) + after + _options(AFTER)


def moved(ports: Ports) -> str:
    """The entry of port 25 as topology edge has it."""
    options = (
        "  -o smtpd_upstream_proxy_protocol=haproxy\n  -o smtpd_forbid_bare_newline=normalize\n"
        "  -o smtpd_forbid_bare_newline_exclusions=\n"
    )
    home = stock(ports)
    return "#" + home + home.replace(str(ports.listen), f"127.0.0.1:{ports.smtp}", 1) + options


def _install_filter(gateway: Gateway) -> None:
    (gateway.releases / "1.0/bin").mkdir(parents=True)
    (gateway.releases / "current").symlink_to("1.0")
    gateway.setting.parent.mkdir(parents=True)
    gateway.setting.write_text("listen = 25\n")
    gateway.say("loaded", "loaded\n")
    gateway.say("unread", "no\n")
    for front in ("filter", "inline"):
        for name, text in (
            ("socket", "inactive"),
            ("service", "inactive"),
            ("enabled", "disabled"),
        ):
            gateway.say(f"{front}-{name}", text + "\n")
    os.mkfifo(gateway.host / "alive")


def _write_commands(gateway: Gateway, commands: Path, *, shared: bool) -> None:
    master = [*PYTHON, str(HERE / "stand_in_master.py"), str(gateway.config_dir)]
    master += [str(gateway.host), str(gateway.pid_file), "shared" if shared else "alone"]
    values = {
        "HOST": gateway.host,
        "PYTHON": shlex.join(PYTHON),
        "HERE": HERE,
        "LISTEN": gateway.ports.listen,
        "PROXY": gateway.ports.proxy,
        "RUN": gateway.place / "run/sender-filter",
        "PROGRAM": gateway.releases / "current/bin/senderfilter",
        "FILES": gateway.setting,
        "MASTER": shlex.join(master),
        "PID_FILE": gateway.pid_file,
        "MAIN_CF": gateway.config_dir / "main.cf",
    }
    for name, script in {"systemctl": SYSTEMCTL, "postfix": POSTFIX, **OTHERS}.items():
        text = script
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)


@contextlib.contextmanager
def _living(gateway: Gateway) -> Iterator[None]:
    """The stand-ins live until this is over: they read from a pipe that we hold."""
    holder = os.open(gateway.host / "alive", os.O_RDWR | os.O_CLOEXEC)
    try:
        yield
    finally:
        os.close(holder)


@contextlib.contextmanager
def _without_strangers() -> Iterator[None]:
    """Look only at processes that begin from now on: a busy machine has hundreds of others."""
    strangers = {path.name for path in PROC.iterdir()} - {str(os.getpid())}
    look = sockets._open_files
    with mock.patch.object(
        sockets, "_open_files", lambda folder: [] if folder.name in strangers else look(folder)
    ):
        yield


def _free_ports(held: contextlib.ExitStack) -> Ports:
    """Ports that nobody else gets; who listens there with SO_REUSEADDR may."""
    numbers = []
    for _ in range(6):
        one = held.enter_context(socket.socket())
        bind_apart(one, "127.0.0.1")
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        numbers.append(one.getsockname()[1])
    return Ports(*numbers)
