"""Refusals: a listed client connects, reads the reply, says QUIT and waits for the end.

Every function of the filter is on, and each refusal leaves a record. postscreen(8) closes after its
reply (``drop``) and logs a line or three; Haraka closes after its reply. HAProxy and nginx close
without a word and log nothing.

The filter is measured with one worker and with two. The load takes a processor for itself, so two
workers show what they can only where there are three.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from side_by_side.figures import in_turn, processor_micros, row
from side_by_side.haproxy import HAProxy
from side_by_side.haraka import with_access
from side_by_side.load import BLOCKED, Dialog, Load, Result
from side_by_side.nginx import Nginx
from side_by_side.ours import FULL_POLICY, SenderFilter
from side_by_side.postfix import SCREENED, Postfix
from side_by_side.servers import Server, running

SIZES = (1, 10, 100, 1000)
USUAL = 100
WRITTEN_SECONDS = 2.0  # after which the last record is in its file, on any disk
NOBODY = 9  # the port of an upstream that is never asked


def measure(folder: Path, load: Load, seconds: float) -> list[dict[str, Any]]:
    """The rows."""
    ours = SenderFilter(folder / "ours", 2800, NOBODY, FULL_POLICY)
    both = SenderFilter(folder / "both", 2802, NOBODY, FULL_POLICY, workers=2)
    haproxy = HAProxy(folder / "haproxy", NOBODY)
    postfix = Postfix(folder / "postfix")
    nginx = Nginx(folder / "nginx", NOBODY, NOBODY)
    haraka = with_access(folder / "haraka")
    installed = [postfix, haproxy, nginx] + [haraka] * haraka.is_installed()
    rows = []

    def run(dialog: Dialog, port: int, sessions: int = USUAL) -> Result:
        return load.run(dialog, port, sessions, seconds, first=BLOCKED)

    def cost(server: Server, dialog: Dialog, port: int) -> Callable[[], float]:
        return lambda: processor_micros(server, lambda: run(dialog, port))

    def rate(dialog: Dialog, port: int, sessions: int) -> Callable[[], float]:
        return lambda: run(dialog, port, sessions).per_second

    with running(ours, both, *installed):
        for size in SIZES:
            figures = in_turn(
                {
                    "ours": rate("refused", ours.port, size),
                    "2 workers": rate("refused", both.port, size),
                    "postscreen": rate("refused", SCREENED, size),
                    "HAProxy": rate("dropped", haproxy.refusing, size),
                    "nginx": rate("dropped", nginx.refusing, size),
                }
                | ({"Haraka": rate("refused", haraka.port, size)} if haraka in installed else {})
            )
            mine = {"": figures.pop("ours"), ", 2 workers": figures.pop("2 workers")}
            for workers, own in mine.items():
                for name, figure in figures.items():
                    least = 1.0 if name == "postscreen" else None
                    what = f"refused a second, {size} at once{workers}: {name}"
                    rows.append(row(what, own, figure, "1/s", least=least))
        figures = in_turn(
            {
                "ours": cost(ours, "refused", ours.port),
                "2 workers": cost(both, "refused", both.port),
                "postscreen and its log": cost(postfix, "refused", SCREENED),
                "HAProxy": cost(haproxy, "dropped", haproxy.refusing),
                "nginx": cost(nginx, "dropped", nginx.refusing),
            }
            | ({"Haraka": cost(haraka, "refused", haraka.port)} if haraka in installed else {})
        )
        mine = {"": figures.pop("ours"), ", 2 workers": figures.pop("2 workers")}
        for workers, own in mine.items():
            for name, figure in figures.items():
                most = 1.0 if name.startswith("postscreen") else None
                what = f"processor for a refusal{workers}: {name}"
                rows.append(row(what, own, figure, "µs", most=most))
        time.sleep(WRITTEN_SECONDS)
        for workers, each in (("", ours), (", 2 workers", both)):
            refused = each.status()["refused"]
            missing = refused - each.decisions()
            what = f"refusals without a record, of {refused}{workers}"
            rows.append(row(what, missing, None, "count", below=1))
    return rows
