"""Whose program the sender filter of a host is: how it is recognised, started and stopped.

`native` is this project's own, `imss` the vendor's. What stands here is all in which they differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from . import model
    from .fronts import Front
    from .sockets import Listener, Process
    from .survey import FilterState, Survey


class Provider(ABC):
    """A program that stands in front of Postfix.

    Attributes:
        home: where the vendor's product is installed; empty for this project's own filter.
        fronts: the fronts that systemd opens and closes.
        alone: why it cannot listen beside Postfix while the port changes hands; empty if it can.
        lingers: whether its running sessions go on after it was stopped.
        follows: whether it listens on the addresses that Postfix had.
        proxy_protocol: whether it tells Postfix the client's address by the PROXY protocol.
        hands_over: whether it hands connections over to Postfix that it has nothing to do with.
    """

    home: str
    fronts: tuple[Front, ...]
    alone: str
    lingers: bool
    follows: bool
    proxy_protocol: bool
    hands_over: bool

    @abstractmethod
    def states(self, ports: model.Ports, listeners: Sequence[Listener]) -> Sequence[FilterState]:
        """What each of `fronts.ALL` is like, on a host with these listeners."""

    @abstractmethod
    def serves(self, front: Front, process: Process) -> bool:
        """Whether a process belongs to a front."""

    @abstractmethod
    def listen(self, front: Front) -> None:
        """Take a front's port, if anything can hold it before the program is ready."""

    @abstractmethod
    def start(self, front: Front, port: int) -> None:
        """Start a front, at each boot as well; returns when it serves its port.

        Raises:
            ServiceError: it does not.
        """

    @abstractmethod
    def stop(self, front: Front) -> None:
        """Stop a front, at each boot as well."""

    @abstractmethod
    def restart(self, front: Front, port: int) -> None:
        """Start a front anew."""

    @abstractmethod
    def reload(self, front: Front) -> None:
        """Let a front read its files again."""

    @abstractmethod
    def process(self, front: Front, port: int) -> object:
        """Which process serves a front; None if nobody does."""

    @abstractmethod
    def last_words(self, front: Front) -> str:
        """What it said last."""

    @abstractmethod
    def obstacles(self, survey: Survey, topology: str) -> list[str]:
        """What of the program itself makes a topology impossible, with the cure."""

    @abstractmethod
    def differences(self, survey: Survey, topology: str) -> list[str]:
        """What of the program itself, and of Postfix for its sake, is not as it should be."""

    @abstractmethod
    def main_cf(self, survey: Survey, data: bytes) -> bytes:
        """The bytes of main.cf with all that the program needs of Postfix."""

    @abstractmethod
    def will_restart(self, survey: Survey) -> bool:
        """Whether a move begins with a restart of Postfix, once main.cf is as it must be."""

    @abstractmethod
    def wants_restart(self, survey: Survey) -> bool:
        """Whether Postfix must be started anew to do what main.cf says."""
