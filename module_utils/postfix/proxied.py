"""Put a before-queue filter into a service and take it out, byte for byte, without a marker.

The service gets options of its own (``smtpd_proxy_filter``); right below it stands a copy of it
under another name, to which the filter hands the mail on (SMTPD_PROXY_README).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import AmbiguousService, InvalidConfig, NoSuchService
from .master_cf import Entry, MasterDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

INET = "inet"


def put_in(
    doc: MasterDocument,
    service: str,
    kind: str,
    options: Mapping[str, str],
    after: str,
    after_options: Mapping[str, str],
) -> MasterDocument:
    """Return the document with a filter in a service.

    Args:
        doc: the document; it is not changed.
        service: the name of the service whose mail the filter gets, as ``smtp``.
        kind: its type.
        options: what it gets beside its own options.
        after: the name of the service that takes the mail from the filter, type ``inet``.
        after_options: what that has beside the options of the first one, or with another value.

    Raises:
        AmbiguousService: a service of that other name is there already, or two of the first one.
        InvalidConfig: ``take_out`` could not undo it.
        NoSuchService: there is none of the first one.
    """
    new = doc.copy()
    front = _single(new, service, kind)
    if not front:
        msg = f"no active entry {service}/{kind}: add a line for it"
        raise NoSuchService(msg)
    if new.find(after, INET):
        msg = f"{after}/{INET} is there already, in the place of the service after the filter"
        raise AmbiguousService(msg)
    new.copy_below(front, after, INET, after_options)
    new.set_options(front, options)
    if take_out(new, service, kind, options, after).render() != doc.render():
        msg = (
            f"line {front.line}: {service}/{kind} would not get its bytes back: it has arguments "
            f"behind its options, or sets {' or '.join(options)} itself. Give each option a line"
        )
        raise InvalidConfig(msg)
    return new


def take_out(
    doc: MasterDocument, service: str, kind: str, options: Mapping[str, str], after: str | None
) -> MasterDocument:
    """Return the document without the filter; what was edited meanwhile is kept.

    Args:
        doc: the document; it is not changed.
        service: the name of the service whose mail the filter gets.
        kind: its type.
        options: what ``put_in`` gave it; an option with another value now is the operator's own.
        after: the name of the service that takes the mail from the filter; None lets it stay.

    Raises:
        AmbiguousService: two services of the first name.
    """
    new = doc.copy()
    if front := _single(new, service, kind):
        ours = [name for name, value in options.items() if front.option(name) == value.strip()]
        new.set_options(front, dict.fromkeys(ours))
    for entry in new.find(after, INET) if after else []:
        new.remove(entry)
    return new


def _single(doc: MasterDocument, service: str, kind: str) -> Entry | None:
    found = doc.find(service, kind)
    if len(found) > 1:
        lines = " and ".join(str(entry.line) for entry in found)
        msg = f"lines {lines} are all entries of {service}/{kind}: comment all but one out"
        raise AmbiguousService(msg)
    return found[0] if found else None
