"""Everything a worker needs to judge clients, loaded and checked in one go.

The same call serves the start, a reload, ``check-config`` and ``check``: what one of them
accepts, all do.
"""

import os
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sender_filter.core.lists import AddressList, ListError
from sender_filter.core.policy import Policy
from sender_filter.core.received import source, width
from sender_filter.settings import reading, stamps, tls
from sender_filter.settings.reading import ConfigError
from sender_filter.settings.schema import Config, KnownHosts
from sender_filter.settings.stamps import Stamp


@dataclass(frozen=True, slots=True)
class Settings:
    """A checked configuration with its lists.

    Attributes:
        path: The file it came from.
        config: What the file says.
        policy: The lists it names.
        tls: What a TLS handshake needs; None if TLS is Postfix's matter.
        files: Each file that was read, by its absolute path.
        loaded: When it was loaded, seconds since the epoch.
        load_seconds: How long that took.
    """

    path: Path
    config: Config
    policy: Policy
    tls: ssl.SSLContext | None
    files: dict[str, Stamp]
    loaded: float
    load_seconds: float


def default_path() -> Path:
    """Where the configuration is, unless an option says otherwise.

    A second filter on one host gets its place from SENDER_FILTER_CONFIG.
    """
    return Path(os.environ.get("SENDER_FILTER_CONFIG", "/etc/sender-filter/config.toml"))


Pace = Callable[[Iterable[str]], Iterable[str]]
"""How fast the lines of a list are read."""


def load(path: Path, pace: Pace = iter) -> Settings:
    """Read the configuration and its lists.

    Args:
        path: The configuration's file.
        pace: Lets through the lines of a list; as fast as they come, if nothing else is said.

    Raises:
        ConfigError: Anything in them is wrong; nothing is half loaded.
    """
    loaded, start = time.time(), time.perf_counter()
    config, stamp = reading.read_stamped(path)
    approved, approved_files = _read_list(
        path, "lists.approved", config.lists.approved, pace, flags=False
    )
    blocked, blocked_files = _read_list(
        path, "lists.blocked", config.lists.blocked, pace, flags=True
    )
    context, tls_files = tls.load(path, config.tls)
    files = {str(path.absolute()): stamp, **approved_files, **blocked_files, **tls_files}
    known = known_hosts(path, config.known_hosts) if config.known_hosts.enabled else None
    policy = Policy(
        approved,
        blocked,
        known,
        profiler=config.profiler.mode,
        throttling=config.throttling.mode,
    )
    seconds = time.perf_counter() - start
    return Settings(path, config, policy, context, files, loaded, seconds)


def summary(settings: Settings) -> str:
    """What was loaded, in a few words."""
    blocked, approved = settings.policy.blocked.entries, settings.policy.approved.entries
    return f"{blocked} blocked and {approved} approved entries"


def known_hosts(config: Path, settings: KnownHosts) -> AddressList:
    """The hosts of our own side.

    Raises:
        ConfigError: An entry cannot be read, or is too wide.
    """
    known = width.KnownHosts()
    known.read("known by default", source.KNOWN_BY_DEFAULT, flags=False)
    for key in ("networks", "cloud_prefilter_networks"):
        try:
            known.read(f"known_hosts.{key}", getattr(settings, key), flags=False)
        except ListError as error:
            msg = f"{config}: {error}"
            raise ConfigError(msg) from None
    return known


def _read_list(
    config: Path, key: str, files: list[str], pace: Pace, *, flags: bool
) -> tuple[AddressList, dict[str, Stamp]]:
    entries, read = AddressList(), dict[str, Stamp]()
    for name in files:
        file = config.parent / name
        try:
            # A comment in another encoding is no reason to refuse a list; an entry is ASCII.
            with file.open(encoding="utf-8-sig", errors="replace") as lines:
                read[str(file.absolute())] = stamps.of(lines)
                entries.read(str(file), pace(lines), flags=flags)
        except OSError as error:
            cure = "create it (it may be empty) or take it out of the key"
            msg = f"{config}: {key}: {file}: {error.strerror}; {cure}"
            raise ConfigError(msg) from None
        except ListError as error:
            raise ConfigError(str(error)) from None
    return entries, read
