"""The command ``senderfilter``: one file a subcommand."""

import click

from sender_filter import __version__
from sender_filter.cli.chart import chart
from sender_filter.cli.check import check
from sender_filter.cli.check_config import check_config
from sender_filter.cli.export import export
from sender_filter.cli.fleet import fleet
from sender_filter.cli.follow import follow
from sender_filter.cli.import_list import command as import_list
from sender_filter.cli.lists import lists
from sender_filter.cli.log import log
from sender_filter.cli.orders import approve, block, known
from sender_filter.cli.profile import profile
from sender_filter.cli.scan_reports import command as scan_reports
from sender_filter.cli.serve import serve
from sender_filter.cli.status import status
from sender_filter.cli.top import top


@click.group()
@click.version_option(__version__, prog_name="senderfilter")
def main() -> None:
    """The sender filter: refuses SMTP clients by their address, hands the others to Postfix."""


for command in (
    serve, check_config, status, fleet, check, log, follow, top, chart, lists, block, approve,
    known, export, import_list, profile, scan_reports,
):  # fmt: skip
    main.add_command(command)
