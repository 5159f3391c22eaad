"""Files: the only code that writes, makes, renames or removes anything on a disk.

What a user named is replaced on purpose, in one step (`replacing`). Whatever else is written never takes the place of
another's file: it takes the next free number (`adding`), a name that was reserved before any work (`reserve`), or is
refused (`creating`). Only what a folder's own journal says was written there is removed
again (`own`). What is no regular file (a device, a fifo, a folder), behind a link too, is never written.
"""

from __future__ import annotations

from reverie.files.database import Database
from reverie.files.drafts import AnyPath, Draft, Placing, adding, check_writable, creating, replacing, write_bytes
from reverie.files.folders import (
    JOURNAL,
    Owned,
    is_folder,
    is_owned,
    make_folder,
    new_folder,
    own,
    remove_empty,
    written_in,
)
from reverie.files.home import data_folder
from reverie.files.lock import one_at_a_time, sole
from reverie.files.names import cut_name, numbered
from reverie.files.plain import append, put, remove, remove_folder, share
from reverie.files.reserve import Reservation, is_reserved, reserve
from reverie.files.scratch import mapped, null_file, scratch_folder, scratch_place

__all__ = [
    "JOURNAL",
    "AnyPath",
    "Database",
    "Draft",
    "Owned",
    "Placing",
    "Reservation",
    "adding",
    "append",
    "check_writable",
    "creating",
    "cut_name",
    "data_folder",
    "is_folder",
    "is_owned",
    "is_reserved",
    "make_folder",
    "mapped",
    "new_folder",
    "null_file",
    "numbered",
    "one_at_a_time",
    "own",
    "put",
    "remove",
    "remove_empty",
    "remove_folder",
    "replacing",
    "reserve",
    "scratch_folder",
    "scratch_place",
    "share",
    "sole",
    "write_bytes",
    "written_in",
]
