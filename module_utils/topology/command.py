"""The command `mail-topology` on a gateway: for the guard, and for who has no Ansible at hand."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..postfix.errors import PostfixError
from ..snapshots.snapshot import SnapshotError
from ..snapshots.store import Store
from . import journal, nightly, restore, show
from .diagnosis import lines, port_table, seen_topology
from .survey import SurveyError
from .switch import LAST, SwitchError, rollback


def main() -> None:
    """Run the command; failures end with their reason and exit code 1."""
    options = _parser().parse_args()
    try:
        options.run(options)
    except (SwitchError, SurveyError, SnapshotError, PostfixError, restore.RestoreError) as error:
        sys.exit(f"mail-topology: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mail-topology", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    looking = commands.add_parser("show", help="who owns which port, and what mends it")
    looking.add_argument("--config-dir", type=Path, default=Path("/etc/postfix"))
    looking.add_argument("--json", action="store_true", help="one line of JSON")
    looking.set_defaults(run=_show)
    listing = commands.add_parser("snapshots", help="list the snapshots of this host")
    listing.set_defaults(run=_list)
    back = commands.add_parser("rollback", help="bring the host back to a snapshot")
    back.add_argument("name", nargs="?", default=LAST, help="default: the newest that differs")
    back.add_argument("--config-dir", type=Path, default=Path("/etc/postfix"))
    back.set_defaults(run=_roll_back)
    repair = commands.add_parser("recover", help="take a move back that was interrupted")
    repair.add_argument("--boot", action="store_true", help="before Postfix has started")
    repair.set_defaults(run=_recover)
    for name, what in (
        ("heal", "bring the host to the declared topology"),
        ("nightly", "the same, then restart Postfix and prove that mail flows"),
    ):
        one = commands.add_parser(name, help=what)
        one.add_argument("--check", action="store_true", help="only look")
        one.add_argument("--config-dir", type=Path, default=Path("/etc/postfix"))
        one.add_argument("--notify-command", default="", help="gets a failed run as JSON on stdin")
        one.add_argument("--notify-mail", default="", metavar="ADDRESS")
        one.set_defaults(run=_heal, restart=name == "nightly")
    return parser


def _show(options: argparse.Namespace) -> None:
    """Say what the host is; exit code 1 where it cannot be looked at."""
    shown = show.look(options.config_dir)
    print(show.document(shown) if options.json else "\n".join(show.text(shown)))
    if shown["error"]:
        sys.exit(1)


def _list(_: argparse.Namespace) -> None:
    store = Store()
    for name in store.names():
        one = store.load(name)
        print(f"{name}  {one.state.topology:<8} before a move to {one.before}")


def _roll_back(options: argparse.Namespace) -> None:
    name, outcome = rollback(options.config_dir, options.name)
    print(f"The host is as in snapshot {name}." if outcome.changed else f"It is as in {name}.")
    topology = seen_topology(outcome.after)
    print("\n".join(lines(port_table(outcome.after, topology))))


def _heal(options: argparse.Namespace) -> None:
    """Heal, leave a record, and end with exit code 1 where that failed."""
    report = nightly.run(options.config_dir, restart=options.restart, check=options.check)
    print("\n".join(report.lines()))
    if not options.check:
        nightly.keep(report)
    if report.ok:
        return
    problems = nightly.notify(report, options.notify_command, options.notify_mail)
    sys.exit("\n".join(["mail-topology: the host is not as declared", *problems]))


def _recover(options: argparse.Namespace) -> None:
    """Wait until nobody moves the host any more; then look whether a move was left unfinished."""
    with journal.abandoned() as move:
        if move is None:
            return
        store = Store()
        if options.boot:
            restore.at_boot(store.load(move.snapshot), store)
            journal.close()
        else:
            restore.recover(move, store)
        print(f"The move to {move.topology} was interrupted; the host is as it was before.")
