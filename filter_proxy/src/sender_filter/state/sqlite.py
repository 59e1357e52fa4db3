"""State in a file of SQLite's, for one gateway.

Journal in WAL mode with ``synchronous = FULL``: each transaction is on the disk when it is over, so
a loss of power costs the counters of the last second and no block that ``flush`` has waited for;
kill -9 costs no more. (With ``NORMAL`` all transactions since the last checkpoint could be lost.)
Two filters may share the file, as when one drains beside the next: each sees within a second what
the other has written (``PRAGMA data_version``). A damaged file is moved aside and a new one begun.
"""

import asyncio
import contextlib
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sender_filter.core.profiler import CountRow
from sender_filter.core.runtime_lists import Entry
from sender_filter.io.journal import log
from sender_filter.state.interface import (
    Pending,
    entry_from_text,
    entry_to_text,
    row_from_text,
    row_over,
    row_to_text,
)
from sender_filter.state.memory import WriteBehind

SCHEMA_VERSION = 1
MOST_ROWS = 1_300_000
"""Most rows of counters: the most addresses times the buckets of a period."""

PURGE_SECONDS = 60.0
_OVERLAP_SECONDS = 5.0
_KEPT_AFTER_END_SECONDS = 86_400.0
_TRIES, _TRY_SECONDS = 20, 0.02
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_SCHEMA = f"""
CREATE TABLE counts (
    subject TEXT NOT NULL, source TEXT NOT NULL, width INTEGER NOT NULL, bucket INTEGER NOT NULL,
    row BLOB NOT NULL, over INTEGER NOT NULL, written REAL NOT NULL,
    PRIMARY KEY (subject, source, width, bucket)
) WITHOUT ROWID;
CREATE INDEX counts_written ON counts (written);
CREATE TABLE entries (
    network TEXT NOT NULL, who TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL,
    entry BLOB NOT NULL,
    PRIMARY KEY (network, who)
) WITHOUT ROWID;
PRAGMA user_version = {SCHEMA_VERSION};
"""
# An entry's ``who`` is its slot: who has made it, or that it is of the list of known hosts.
_PUT_ROW = "INSERT OR REPLACE INTO counts VALUES (?, ?, ?, ?, ?, ?, ?)"
_PUT_ENTRY = """
INSERT INTO entries VALUES (?, ?, ?, ?, ?) ON CONFLICT (network, who) DO UPDATE
SET since = excluded.since, until = excluded.until, entry = excluded.entry
WHERE excluded.since >= entries.since
"""
_DROP_ENTRY = "DELETE FROM entries WHERE network = ? AND who = ? AND since = ?"
_PURGE_EXCESS = """
DELETE FROM counts WHERE written <=
    (SELECT written FROM counts ORDER BY written DESC LIMIT 1 OFFSET ?)
"""

Kept = tuple[list[Entry], list[CountRow]]


class _DamagedError(Exception):
    """The file is no database of this program's."""


class Sqlite(WriteBehind):
    """A store in one file, written by a thread of its own."""

    def __init__(self, path: Path, *, repairs: bool = True) -> None:
        """Keep the state in that file.

        Args:
            path: The file.
            repairs: Whether a new file begins where this one is damaged; one process at a time
                may do that, or the second would put the first one's new file aside.
        """
        super().__init__()
        self.name = str(path)
        self._file = _File(path, repairs=repairs)
        self._thread = ThreadPoolExecutor(1, "state")

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        await self._give(*await loop.run_in_executor(self._thread, self._file.open))

    async def _write(self, pending: Pending) -> None:
        loop = asyncio.get_running_loop()
        await self._give(*await loop.run_in_executor(self._thread, self._file.write, pending))

    async def _disconnect(self) -> None:
        self._thread.submit(self._file.close)
        self._thread.shutdown(wait=False)
        self._thread = ThreadPoolExecutor(1, "state")


class _File:
    """The file, as the thread sees it."""

    def __init__(self, path: Path, *, repairs: bool) -> None:
        self._path = path
        self._repairs = repairs
        self._db: sqlite3.Connection | None = None
        self._damaged = False
        self._seen_version = 0
        self._read_until = 0.0
        self._purge_at = 0.0

    def open(self) -> Kept:
        """Open the file, or begin a new one, and read it all."""
        self.close()
        try:
            if self._damaged:
                raise _DamagedError("it was found to be damaged in use")
            self._db = _open(self._path)
        except _DamagedError as error:
            if not self._repairs:
                raise
            _move_aside(self._path, str(error))
            self._db = _open(self._path)
        self._damaged = False
        self._purge_at = 0.0
        self._read_until = 0.0
        return self._read(self._db)

    def write(self, pending: Pending) -> Kept:
        """Write what waits, and read what another process has written meanwhile."""
        if self._db is None:
            raise sqlite3.OperationalError("the file is not open")
        try:
            if pending or time.time() >= self._purge_at:
                self._transact(self._db, pending)
            [version] = self._db.execute("PRAGMA data_version").fetchone()
            return self._read(self._db) if version != self._seen_version else ([], [])
        except sqlite3.DatabaseError as error:
            self._damaged = _is_damage(error)
            raise

    def close(self) -> None:
        """Let the file go."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def _transact(self, db: sqlite3.Connection, pending: Pending) -> None:
        now = time.time()
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(_PUT_ROW, (_columns(row, now) for row in pending.rows.values()))
            for entry, over in pending.entries.values():
                key = (str(entry.network), entry.slot, entry.since)
                if over:
                    db.execute(_DROP_ENTRY, key)
                else:
                    db.execute(_PUT_ENTRY, (*key, entry.until, entry_to_text(entry)))
            if now >= self._purge_at:
                self._purge_at = now + PURGE_SECONDS
                db.execute("DELETE FROM counts WHERE over < ?", (now,))
                db.execute(_PURGE_EXCESS, (MOST_ROWS,))
                db.execute("DELETE FROM entries WHERE until < ?", (now - _KEPT_AFTER_END_SECONDS,))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _read(self, db: sqlite3.Connection) -> Kept:
        """All entries, and the rows written since this was done last; broken ones are left."""
        now, since = time.time(), self._read_until - _OVERLAP_SECONDS
        [self._seen_version] = db.execute("PRAGMA data_version").fetchone()
        entries, rows = [], []
        for (text,) in db.execute("SELECT entry FROM entries"):
            try:
                entries.append(entry_from_text(text))
            except ValueError as error:
                log.warning("%s: an entry cannot be read: %s", self._path, error)
        for (text,) in db.execute(
            "SELECT row FROM counts WHERE written >= ? AND over > ?", (since, now)
        ):
            try:
                rows.append(row_from_text(text))
            except ValueError as error:
                log.warning("%s: a row cannot be read: %s", self._path, error)
        self._read_until = now
        return entries, rows


def _columns(row: CountRow, now: float) -> tuple[object, ...]:
    return (
        str(row.subject), row.source, row.width, row.bucket, row_to_text(row), row_over(row), now,
    )  # fmt: skip


def _open(path: Path) -> sqlite3.Connection:
    """Open a file that is sound, or a new one.

    Raises:
        _DamagedError: The file is no sound database of this version.
        sqlite3.OperationalError: It cannot be reached; it may be sound.
    """
    db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        _use_wal(db)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA journal_size_limit = 16777216")
        [version] = db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            _create(db)
        elif version != SCHEMA_VERSION:
            msg = f"it is of version {version} and not {SCHEMA_VERSION}"
            raise _DamagedError(msg)
        [verdict] = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _DamagedError(verdict)
    except sqlite3.DatabaseError as error:
        db.close()
        if _is_damage(error):
            raise _DamagedError(str(error)) from None
        raise
    except _DamagedError:
        db.close()
        raise
    return db


def _use_wal(db: sqlite3.Connection) -> None:
    """Set the journal's mode, for which SQLite does not wait while another process does so."""
    for _ in range(_TRIES):
        with contextlib.suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode = WAL")
            return
        time.sleep(_TRY_SECONDS)
    db.execute("PRAGMA journal_mode = WAL")


def _create(db: sqlite3.Connection) -> None:
    """Make the tables, unless another process has just done so."""
    db.execute("BEGIN IMMEDIATE")
    [version] = db.execute("PRAGMA user_version").fetchone()
    for statement in _SCHEMA.split(";") if version == 0 else ():
        db.execute(statement)
    db.execute("COMMIT")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is damaged, and not just locked, full or out of reach."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _move_aside(path: Path, why: str) -> None:
    """Keep a damaged file beside the new one; the last one only, so that they do not pile up."""
    aside = path.with_name(f"{path.name}.damaged")
    log.error("%s cannot be used and is moved to %s, a new one begins: %s", path, aside, why)
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
