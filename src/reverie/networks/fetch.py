"""Downloads that resume where they were cut off, are checked, and run one at a time."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from reverie.errors import ChecksumMismatch, WeightsError
from reverie.files import append, put, remove
from reverie.networks.digests import hash_file

CHUNK = 1 << 20
PATIENCE_SECONDS = 30.0
ATTEMPTS = 4
"""How often in a row a connection may break without bringing a single byte."""


@dataclass(frozen=True)
class Checkpoint:
    """A published file of weights.

    Attributes:
        name: of the network.
        address: where it is published.
        sha256: of the file, whole or its first eight digits or more.
        bytes: size of the download.
        licence: in words.
        keep: only keys that begin with one of these are used.
    """

    name: str
    address: str
    sha256: str
    bytes: int
    licence: str
    keep: tuple[str, ...]

    @property
    def file(self) -> str:
        """The published file's name."""
        return self.address.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Progress:
    """Progress of a download in bytes; ``total`` is None if the server does not tell."""

    done: int
    total: int | None


def fetch(checkpoint: Checkpoint, folder: Path) -> Iterator[Progress]:
    """Download a published file into a folder, resuming an earlier attempt.

    The file appears under its name only when it is whole and its sha256 is right.

    Raises:
        WeightsError: if the server cannot be reached or does not have it.
        ChecksumMismatch: if the bytes are not the published ones; they are removed.
    """
    target = folder / checkpoint.file
    part = target.with_name(f"{target.name}.part")
    try:
        yield from _download(checkpoint, part)
        digest = hash_file(part)
    except OSError as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"cannot write '{part}': {error.strerror or error}.") from error
    if not digest.startswith(checkpoint.sha256):
        remove(part)
        raise ChecksumMismatch(mismatch(part, digest, checkpoint) + "; removed, run again.")
    put(part, target)


def _download(checkpoint: Checkpoint, part: Path) -> Generator[Progress, None, None]:
    """Append to the part file until the server has no more, across broken connections."""
    failures = 0
    while True:
        before = size_so_far(part)
        try:
            total = yield from _receive(checkpoint, part)
        except (http.client.HTTPException, OSError) as error:
            if isinstance(error, WeightsError) or not _is_transport(error):
                raise
            reason: object = getattr(error, "reason", None) or error
        else:
            if total is None or size_so_far(part) >= total:
                return
            reason = "the connection was cut off"
        failures = 0 if size_so_far(part) > before else failures + 1
        if failures >= ATTEMPTS or size_so_far(part) == 0:
            raise WeightsError(_unreachable(checkpoint, reason))


def _receive(checkpoint: Checkpoint, part: Path) -> Generator[Progress, None, int | None]:
    """Receive one connection's bytes; return the whole file's size, if the server tells."""
    start = size_so_far(part)
    request = urllib.request.Request(checkpoint.address, headers={"User-Agent": "reverie"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = urllib.request.urlopen(request, timeout=PATIENCE_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            return start
        raise WeightsError(_unreachable(checkpoint, f"the server answered {error.code} {error.reason}")) from error
    with response:
        start = start if response.status == http.client.PARTIAL_CONTENT else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with append(part, anew=not start) as file:
            yield Progress(start, total)
            while chunk := response.read(CHUNK):
                file.write(chunk)
                start += len(chunk)
                yield Progress(start, total)
    return total


def _is_transport(error: Exception) -> bool:
    """True if an error comes from the network, not from the disk."""
    network = (http.client.HTTPException, urllib.error.URLError, ConnectionError, TimeoutError)
    return isinstance(error, network)


def _unreachable(checkpoint: Checkpoint, reason: object) -> str:
    return (
        f"cannot fetch {checkpoint.address}: {reason}. Run again to go on where it stopped;"
        f" offline, put {checkpoint.file} into a folder and set REVERIE_WEIGHTS to it,"
        " or use 'dreamnet', which needs no download."
    )


def mismatch(path: Path, digest: str, checkpoint: Checkpoint) -> str:
    """Return the message that a file is not the published one."""
    expected = checkpoint.sha256[:8]
    return f"'{path.name}' must have sha256 {expected}...; it has {digest[:8]}..."


def size_so_far(path: Path) -> int:
    """Return the bytes in a file, 0 if there is none."""
    return path.stat().st_size if path.exists() else 0
