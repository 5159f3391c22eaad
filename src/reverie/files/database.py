"""Databases: SQLite files of our own, which any number of processes may use at once."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from reverie.errors import DiskFull, FileError, reason_of
from reverie.files.folders import make_folder

BUSY = 30.0
"""Seconds for which a writer waits for another."""

_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)  # a log that cannot grow is told as an error of the disk


class Database:
    """An open database, for all threads of this process.

    Args:
        path: of the file; made where it is missing.
        schema: statements that make its tables where they are missing.
    Raises:
        FileError: it cannot be opened, or is no database.
    """

    def __init__(self, path: Path, schema: str) -> None:
        make_folder(path.parent)
        self.path, self._lock = path, threading.RLock()
        try:
            self._connection = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA foreign_keys=ON")
            self._connection.executescript(schema)
        except sqlite3.Error as error:
            raise FileError(f"cannot use the database '{path}': {reason_of(error)}; move it away.") from error

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Do all of the block, or nothing of it; one inside another is a part of that.

        Args:
            durable: whether it must outlast a machine that loses its power at the block's end.
        Raises:
            FileError: the disk is full, or cannot be written to.
        """
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            try:
                self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise self._failed("write", error) from error
            finally:
                if self._connection.in_transaction:
                    self._connection.rollback()

    def rows(self, statement: str, *values: object) -> list[sqlite3.Row]:
        """Return the rows of a query.

        Raises:
            FileError: they cannot be read.
        """
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.OperationalError as error:
                raise self._failed("read", error) from error

    def _failed(self, verb: str, error: sqlite3.OperationalError) -> FileError:
        kind = DiskFull if error.sqlite_errorcode & 0xFF in _NO_ROOM else FileError
        return kind(f"cannot {verb} '{self.path}': {reason_of(error)}; free some space.")

    @property
    def version(self) -> int:
        """A number that changes when another process has written."""
        return int(self.rows("PRAGMA data_version")[0][0])

    def close(self) -> None:
        """Close it."""
        with self._lock:
            self._connection.close()
