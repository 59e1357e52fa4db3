"""What is wanted of a host, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import model, record
from .between import Between
from .native import NATIVE
from .provider import Provider
from .survey import Survey, take
from .target import master_cf, service_on

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Keep:
    """How many snapshots are kept on the host, and how much of its disk they may take."""

    snapshots: int = 10
    megabytes: int = 100


@dataclass(frozen=True)
class Request:
    """What is wanted of one host.

    `listen_addresses` are those on which port `listen` must be open in the end, IPv6 in brackets;
    empty leaves them to whoever has the port. `drain_seconds` is how long running sessions may go
    on; then `drain_action` is one of `wait`, `cut`, `rollback`, and on a way back `leave`: what the
    change of hands itself does not end goes on. A filter that was started must
    live for `watch_seconds` before Postfix gives the port up. Without `keep` no snapshot is
    forgotten. `pending` are files that the play would have written before the switch, and in check
    mode has not. `paths` are files, links and folders that the play may change beside Postfix's
    files: a snapshot has them too. `begun` is the snapshot that the play has taken at its beginning
    (`switch.begin`), by its name; empty for a move that no play has begun. `provider` is whose
    program the filter is.
    """

    topology: str
    config_dir: Path
    ports: model.Ports
    smtp_address: str
    options: Mapping[str, str]
    listen_addresses: tuple[str, ...] = ()
    handover: str = "overlap"
    drain_seconds: float = 60.0
    drain_action: str = "cut"
    watch_seconds: float = 5.0
    keep: Keep | None = Keep()
    pending: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    begun: str = ""
    provider: Provider = NATIVE

    @property
    def moved_to(self) -> str:
        """The name of Postfix's service behind the filter."""
        return f"{self.smtp_address}:{self.ports.smtp}"

    @property
    def service(self) -> str:
        """The name of Postfix's service where there is no filter."""
        return service_on(self.ports.listen)

    def kept(self) -> dict[str, object]:
        """What the record keeps, so that the host can make the same move without a play."""
        return {
            "smtp_address": self.smtp_address,
            "listen_addresses": list(self.listen_addresses),
            "options": dict(self.options),
            "ports": asdict(self.ports),
            **({"imss_home": self.provider.home} if self.provider.home else {}),
            **({"hands_over": True} if self.provider.hands_over else {}),
        }

    def look(self) -> Survey:
        """What is on the host now."""
        return take(self.config_dir, self.ports, self.provider)

    def between(self, survey: Survey) -> Between:
        """The place of the filter in `inline`."""
        return Between(
            proxy=f"{LOOPBACK}:{self.ports.proxy}",
            after=f"{LOOPBACK}:{self.ports.after_proxy}",
            overrides=survey.postfix.parameters["receive_override_options"],
            options=self.options,
            previous=record.options(topology=model.INLINE) or {},
        )

    def rendered(self, survey: Survey, topology: str) -> bytes:
        """What master.cf must say in a topology.

        Raises:
            PostfixError: the file as it is does not allow that.
        """
        return master_cf(
            survey.postfix.master_cf,
            topology,
            self.moved_to,
            self.options,
            service=self.service,
            previous=record.options(),
            between=self.between(survey),
            proxied=self.provider.proxy_protocol,
            passes=self.provider.hands_over,
        )

    @property
    def master_cf(self) -> Path:
        """The file that names Postfix's services."""
        return self.config_dir / "master.cf"

    @property
    def main_cf(self) -> Path:
        """The file of Postfix's parameters."""
        return self.config_dir / "main.cf"


@dataclass
class Outcome:
    """What was done, and what it cost; `refused` connections are None where nobody can know."""

    before: Survey
    after: Survey
    master_cf: bytes
    handover: str = ""
    steps: list[str] = field(default_factory=list)
    milliseconds_without_listener: int = 0
    sessions_running: int = 0
    sessions_cut: int = 0
    seconds_waited: float = 0.0
    refused: int | None = 0

    @property
    def changed(self) -> bool:
        """Whether anything was done, or in check mode would be."""
        return bool(self.steps)

    @property
    def costs(self) -> dict[str, object]:
        """What it cost, as modules return it; without what nobody can know."""
        return {
            "sessions_running": self.sessions_running,
            "seconds_waited": self.seconds_waited,
            "milliseconds_without_listener": self.milliseconds_without_listener,
            "sessions_cut": self.sessions_cut,
            **({} if self.refused is None else {"connections_refused": self.refused}),
        }
