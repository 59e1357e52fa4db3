"""Where a move ends: who listens on which port, and the master.cf that says so."""

from __future__ import annotations

from dataclasses import dataclass

from . import model


@dataclass(frozen=True)
class Goal:
    """The end of a move.

    `postfix_on` are those of the ports `listen` and `smtp` on which Postfix listens; `filter_on`
    says whether the filter has port `listen`.
    """

    master_cf: bytes
    postfix_on: frozenset[int]
    filter_on: bool

    def owner(self, ports: model.Ports) -> str | None:
        """Who alone has port `listen` in the end; None if that is nobody, or two."""
        postfix = ports.listen in self.postfix_on
        if postfix == self.filter_on:
            return None
        return model.FILTER if self.filter_on else model.POSTFIX


def of_topology(topology: str, ports: model.Ports, master_cf: bytes) -> Goal:
    """The end of a move to a topology."""
    edge = topology == model.EDGE
    return Goal(master_cf, frozenset({ports.smtp if edge else ports.listen}), edge)
