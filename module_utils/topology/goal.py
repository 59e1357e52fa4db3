"""Where a move ends: who listens on which port, and the master.cf that says so."""

from __future__ import annotations

from dataclasses import dataclass

from ..postfix.master_cf import MasterDocument
from . import fronts, model


@dataclass(frozen=True)
class Goal:
    """The end of a move.

    `postfix_on` are those of the moving ports on which Postfix listens; `fronts` are those of the
    filter that are open: `edge` towards the network, `inline` towards Postfix.
    """

    master_cf: bytes
    postfix_on: frozenset[int]
    fronts: frozenset[str]

    @property
    def filter_on(self) -> bool:
        """Whether the filter has port `listen`."""
        return model.EDGE in self.fronts

    def owner(self, ports: model.Ports) -> str | None:
        """Who alone has port `listen` in the end; None if that is nobody, or two."""
        postfix = ports.listen in self.postfix_on
        if postfix == self.filter_on:
            return None
        return model.FILTER if self.filter_on else model.POSTFIX


def of_topology(topology: str, ports: model.Ports, master_cf: bytes) -> Goal:
    """The end of a move to a topology."""
    expected = model.expectations(topology, ports)
    postfix_on = {one.port for one in expected if one.owner == model.POSTFIX}
    postfix_on &= set(ports.of_postfix())
    # In other topologies than `inline` that port may be in use by a service of the operator's own.
    if MasterDocument.parse(master_cf).listening_on(ports.after_proxy):
        postfix_on.add(ports.after_proxy)
    opened = frozenset(front.topology for front in fronts.of(topology))
    return Goal(master_cf, frozenset(postfix_on), opened)
