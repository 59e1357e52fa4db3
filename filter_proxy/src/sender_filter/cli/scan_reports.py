"""``senderfilter scan-reports``: the way from the scan service to the IP Profiler."""

import time
from pathlib import Path

import click

from sender_filter.cli import options
from sender_filter.core import scan_reports
from sender_filter.core.scan_reports import Report
from sender_filter.io import control, scan_log
from sender_filter.io.journal import log
from sender_filter.io.messages import Request

_RETRY_SECONDS = 1.0
_SAVE_SECONDS = 1.0


@click.command("scan-reports")
@options.config_option("The configuration that the filter runs with.")
def command(path: Path | None) -> None:
    """Tell the running filter what the scan service finds; a unit of its own runs this."""
    config = options.read_config(path)
    sockets = options.control_sockets(config)
    place = scan_log.Place(Path(config.state.file).with_name("scan-reports.cursor"))
    saved = 0.0
    try:
        for line in scan_log.follow(place.load()):
            report = scan_reports.parse(line.text)
            if report is not None:
                _hand_over(sockets, report)
            if report is not None or time.monotonic() > saved + _SAVE_SECONDS:
                place.save(line.cursor)
                saved = time.monotonic()
    except OSError as error:
        raise click.ClickException(str(error)) from None


def _hand_over(sockets: list[Path], report: Report) -> None:
    """Tell the filter, however long it may take until one answers."""
    request = Request("report", report.client, kind=report.kind, queue_id=report.queue_id)
    away = False
    while True:
        try:
            control.ask(sockets, request)
        except OSError as error:
            if not away:
                log.warning("no filter takes reports, they wait: %s", error.strerror or error)
            away = True
            time.sleep(_RETRY_SECONDS)
        else:
            return
