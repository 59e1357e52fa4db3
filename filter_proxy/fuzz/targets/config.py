"""``config.toml``, as somebody types it."""

import tempfile
from pathlib import Path

from sender_filter.settings import reading
from sender_filter.settings.reading import ConfigError

_FILE = Path(tempfile.mkdtemp(prefix="sender-filter-fuzz-")) / "config.toml"

SEEDS = [
    b'[listen]\naddresses = ["0.0.0.0:25", "[::]:25"]\n[upstream]\naddress = "127.0.0.1:2500"\n',
    b'[lists]\nblocked = ["a"]\napproved = []\n[limits]\nsessions = 10\ndrain_seconds = 1.5\n',
    b'[reputation]\nservers = ["192.0.2.1:53"]\n[[reputation.zones]]\nname = "bl.example.test"\n',
    b'[profiler.spam]\nenabled = "on"\n[throttling.sender]\npatterns = ["*@example.test"]\n',
    b"a = " + b"[" * 1500,
    b'[state]\nurl = "redis://192.0.2.1"\n[metrics]\naddress = ""\n[log]\ndays = 3\n',
]
WORDS = [
    b"[listen]", b"[upstream]", b"[lists]", b"[known_hosts]", b"[profiler.virus]", b"[reputation]",
    b"[[reputation.zones]]", b"[throttling.address]", b"[state]", b"[limits]", b"[log]", b" = ",
    b"[control]", b"[metrics]", b"address", b"mode", b'"shadow"', b'"off"', b"weight", b"true",
    b"sessions_per_address", b"enabled", b"workers", b"inf", b"nan", b"1e9", b"0x7fffffff",
    b"2026-01-01", b'"""', b"\\u0000", b"networks", b"networks = [", b"\xef\xbb\xbf", b"[[[[[[[[",
    b"{a={a=",
]  # fmt: skip


def check(data: bytes) -> None:
    """Either it is a configuration, or there is one error that names the file."""
    _FILE.write_bytes(data)
    try:
        config = reading.read(_FILE)
    except ConfigError as error:
        assert str(error).startswith(f"{_FILE}: ")
    else:
        assert reading.read(_FILE) == config
