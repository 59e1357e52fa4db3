from __future__ import annotations

from pathlib import Path

from module_utils.health.mail_log import Line

FOLDER = Path(__file__).parent / "logs"
PROBE = "<probe@example.test>"
ALL = sorted(file.stem for file in FOLDER.glob("*.log"))


def log(name: str) -> list[Line]:
    """The log of one message to a real gateway: topology and Postfix's release."""
    rows = (FOLDER / f"{name}.log").read_text(encoding="utf-8").splitlines()
    return [Line(*row.split(": ", 1)) for row in rows]
