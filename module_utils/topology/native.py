"""This project's own sender filter: a socket and a service of systemd for each front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import filter_status, fronts, model, passing, services
from .fronts import Front
from .provider import Provider
from .sockets import Listener, Process
from .survey import FilterState, Survey, filter_states


@dataclass(frozen=True)
class Native(Provider):
    """The filter of this project."""

    hands_over: bool = False
    home = ""
    fronts = fronts.ALL
    alone = ""
    lingers = True
    follows = True
    proxy_protocol = True

    def states(self, _ports: model.Ports, _listeners: Sequence[Listener]) -> Sequence[FilterState]:
        """What systemd says of its units, and a running filter of itself."""
        return filter_states(fronts.ALL)

    def serves(self, front: Front, process: Process) -> bool:
        """By its unit."""
        return process.unit == front.service_unit

    def listen(self, front: Front) -> None:
        """The port is held by systemd."""
        services.listen_for_filter(front)

    def start(self, front: Front, _port: int) -> None:
        """Behind its port."""
        services.start_filter(front)

    def stop(self, front: Front) -> None:
        """Its sessions go on for a while."""
        services.stop_filter(front)

    def restart(self, front: Front, _port: int) -> None:
        """The old process ends with its last session."""
        services.restart_filter(front)

    def reload(self, front: Front) -> None:
        """By its service."""
        services.reload_filter(front)

    def process(self, front: Front, _port: int) -> object:
        """The process that answers, as it says itself."""
        status = filter_status.ask(front)
        return status and status.get("pid")

    def last_words(self, front: Front) -> str:
        """The end of its log."""
        return services.last_words(front.service_unit)

    def obstacles(self, survey: Survey, topology: str) -> list[str]:
        """What keeps Postfix from taking connections over; role sender_filter installs the rest."""
        return passing.obstacles(survey, topology) if self.hands_over else []

    def differences(self, survey: Survey, topology: str) -> list[str]:
        """Of the service that takes connections over."""
        return passing.differences(survey, wanted=self.hands_over and topology == model.EDGE)

    def main_cf(self, _survey: Survey, data: bytes) -> bytes:
        """It needs nothing there."""
        return data

    def will_restart(self, _survey: Survey) -> bool:
        """No."""
        return False

    def wants_restart(self, _survey: Survey) -> bool:
        """Postfix takes all it needs up by a reload."""
        return False


NATIVE = Native()
