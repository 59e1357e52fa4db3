"""Who takes a move back when the process that makes it is killed, or the host loses its power.

The guard is a transient unit that waits for the lock of the move. A lock ends with its holder,
however that ends: then the guard finds the journal closed and goes, or open and puts the host back.
After a loss of power a unit does that at boot, before Postfix starts.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..postfix import atomic
from . import journal, program, services

BOOT_UNIT = Path("/etc/systemd/system/mail-topology-recover.service")
BOOT_UNIT_TEXT = f"""\
# Written by the module mail_topology.
[Unit]
Description=Take back a move of the mail gateway that was interrupted by a loss of power
ConditionPathExists={journal.FILE}
After=local-fs.target
Before=postfix.service postfix@-.service

[Service]
Type=oneshot
ExecStart={program.COMMAND} recover --boot

[Install]
WantedBy=multi-user.target
"""
RETRY_SECONDS = 10


def arm() -> None:
    """Let somebody wait for the end of this process.

    Raises:
        ServiceError: systemd does not start the guard; then nothing may be moved.
    """
    program.install()
    if not BOOT_UNIT.exists() or BOOT_UNIT.read_text() != BOOT_UNIT_TEXT:
        atomic.put(BOOT_UNIT, BOOT_UNIT_TEXT.encode(), 0o644)
        # Nobody but the next boot has to know it.
        services.systemctl("enable", "--quiet", "--no-reload", BOOT_UNIT.name)
    services.run_checked(
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit=mail-topology-guard-{os.getpid()}",
        "--description=Takes the move of the mail gateway back if it is interrupted",
        "--property=Type=exec",
        "--property=Restart=on-failure",
        f"--property=RestartSec={RETRY_SECONDS}",
        "--property=StartLimitIntervalSec=0",
        str(program.COMMAND),
        "recover",
    )
