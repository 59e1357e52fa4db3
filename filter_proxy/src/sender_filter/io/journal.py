"""Messages about the filter itself, on standard error, as journald likes them.

Decisions are not among them: they go to the records.
"""

import logging

_LEVELS = {logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}  # sd-daemon(3)

log = logging.getLogger("sender_filter")


class _Formatter(logging.Formatter):
    """``<4>text``: the level in front, and never a second line."""

    def format(self, record: logging.LogRecord) -> str:
        level = _LEVELS.get(record.levelno, 6)
        return f"<{level}>{super().format(record)}".replace("\n", "\\n")


def set_up(*packages: str) -> None:
    """Send messages of this package and of others, and asyncio's complaints, to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter())
    for name in ("sender_filter", *packages, "asyncio"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.propagate = False
    for name in ("sender_filter", *packages):
        logging.getLogger(name).setLevel(logging.INFO)
