"""Secrets, which may stand in the configuration or in a file that it names."""

from pathlib import Path

_FILE = "file:"


def read(key: str, text: str) -> str:
    """The text itself, or what stands in the file that it names.

    Args:
        key: The key in the configuration, for the message.
        text: The secret, or ``file:PATH``.

    Raises:
        OSError: The file cannot be read; the message names it.
    """
    path = text.removeprefix(_FILE)
    if path == text:
        return text
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        msg = f"{key}: {path}: {error.strerror}"
        raise OSError(error.errno, msg) from None


def beside(config: Path, text: str) -> str:
    """The same, but a file that is named lies in the folder of the configuration."""
    path = text.removeprefix(_FILE)
    return text if path == text else f"{_FILE}{config.parent / Path(path).name}"
