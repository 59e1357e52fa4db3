"""The tables of the index, and connections to it.

A page shows the latest rows first, so everything is ordered by the id of a decision, which grows
with its time; SQLite keeps it as the last column of each index. What a page filters by, apart from
the address, is a *kind*: a gateway, a function, an action, and whether a function in shadow would
have refused. There are a few dozen of them, and each is one stretch of an index.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = 1

CACHE_KIB = 16 * 1024
"""Of each connection. Addresses come in no order, so each new one is in a page of its own."""

_TABLES = f"""
CREATE TABLE kinds (
    id INTEGER PRIMARY KEY,
    gateway TEXT NOT NULL, function TEXT NOT NULL, action TEXT NOT NULL, shadow INTEGER NOT NULL,
    UNIQUE (gateway, function, action, shadow)
);

-- Narrow rows: where an index cannot help, many of them are walked in little time.
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL, address BLOB NOT NULL, session TEXT NOT NULL
);
CREATE INDEX decisions_by_kind ON decisions (kind);
CREATE INDEX decisions_by_address ON decisions (address, kind);
CREATE INDEX decisions_by_session ON decisions (session);
CREATE TABLE records (id INTEGER PRIMARY KEY, record BLOB NOT NULL);

-- How sessions ended, and blocks that started or stopped.
CREATE TABLE ends (id INTEGER PRIMARY KEY, session TEXT NOT NULL UNIQUE, record BLOB NOT NULL);
CREATE TABLE events (id INTEGER PRIMARY KEY, place BLOB NOT NULL, gateway TEXT NOT NULL,
    record BLOB NOT NULL);
CREATE INDEX events_by_place ON events (place);

-- Sums, so that no page counts decisions. ``bucket`` is a time divided by ``width`` seconds.
CREATE TABLE counts (
    width INTEGER NOT NULL, bucket INTEGER NOT NULL, kind INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (width, bucket, kind)
) WITHOUT ROWID;
-- Refusals of each address by day, and in all days of the window.
CREATE TABLE days (
    day INTEGER NOT NULL, address BLOB NOT NULL, refused INTEGER NOT NULL,
    PRIMARY KEY (day, address)
) WITHOUT ROWID;
CREATE TABLE week (address BLOB PRIMARY KEY, refused INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX week_by_refused ON week (refused);

-- How far each source of records was read.
CREATE TABLE cursors (source TEXT PRIMARY KEY, cursor TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE gateways (name TEXT PRIMARY KEY, heard INTEGER NOT NULL) WITHOUT ROWID;

PRAGMA user_version = {VERSION};
"""


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the database for writing; one of an older layout is made anew.

    What it holds is a copy of what the filters have written down.

    Raises:
        OSError: It cannot be opened; the message names it.
    """
    try:
        database = _connect(path)
        found = database.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, VERSION):
            database.close()
            for name in (path, _beside(path, "-wal"), _beside(path, "-shm")):
                name.unlink(missing_ok=True)
            database = _connect(path)
            found = 0
        if not found:
            database.executescript(f"BEGIN; {_TABLES} COMMIT;")
    except sqlite3.Error as error:
        msg = f"index {path}: {error}"
        raise OSError(msg) from None
    return database


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the database for reading."""
    database = _connect(path)
    database.execute("PRAGMA query_only = ON")
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """A change: all of it or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


@contextmanager
def snapshot(database: sqlite3.Connection) -> Iterator[None]:
    """Several questions to one state of the database."""
    database.execute("BEGIN")
    try:
        yield
    finally:
        database.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    # A power failure may take the last moments: they are read once more, from the cursor on.
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("PRAGMA busy_timeout = 5000")
    database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return database


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
