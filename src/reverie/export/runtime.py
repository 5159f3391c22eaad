"""ONNX Runtime for browsers: an npm package, fetched once by npm, verified and cached."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from reverie.errors import ChecksumMismatch, RecipeError, WeightsError
from reverie.files import make_folder, scratch_folder, write_bytes
from reverie.networks.weights import cache_folder

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""sha512 of the package's .tgz, in base64."""
FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
"""Files that a page needs: the first three for CPUs, the others for GPUs."""
_PATIENCE = 600  # seconds that npm may take
_OFFLINE = (
    f"elsewhere run 'npm pack {PACKAGE}@{VERSION}', bring the file and name it with --runtime {PACKAGE}-{VERSION}.tgz"
)


def runtime_files(source: Path | None = None) -> Mapping[str, bytes]:
    """Read the files of ``FILES``, by name.

    Args:
        source: the package's .tgz, or a folder in which it was unpacked; None takes the one that is kept, or asks npm.

    Raises:
        RecipeError: it lacks a file, or there is no npm.
        ChecksumMismatch: the .tgz is not the one that is known.
        WeightsError: it cannot be fetched or read.
    """
    if source is not None and source.is_dir():
        return _of_folder(source)
    return _of_archive(_read(kept() if source is None else source))


def kept() -> Path:
    """Return the path of the cached package, fetched by npm if missing.

    Raises:
        RecipeError: there is no npm.
        WeightsError: npm cannot fetch it, or the cache cannot be written.
    """
    path = cache_folder().parent / "web" / f"{PACKAGE}-{VERSION}.tgz"
    if path.is_file() and _is_known(path.read_bytes()):
        return path
    npm = shutil.which("npm")
    if npm is None:
        raise RecipeError(f"a page needs npm, once, to fetch {PACKAGE}; install Node.js, or {_OFFLINE}.")
    make_folder(path.parent, beside="set REVERIE_HOME to another")
    with scratch_folder() as folder:
        write_bytes(path, _checked(_packed(npm, folder), f"{PACKAGE}@{VERSION}"))
    return path


def _packed(npm: str, folder: Path) -> bytes:
    """Run ``npm pack`` and return the archive, from whichever registry npm is configured for."""
    words = [npm, "pack", f"{PACKAGE}@{VERSION}", "--json", "--silent"]
    try:
        ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WeightsError(f"npm could not be run: {error}; {_OFFLINE}.") from None
    found = sorted(folder.glob("*.tgz"))
    if ended.returncode or not found:
        raise WeightsError(f"npm could not fetch {PACKAGE}@{VERSION} ({_reason(ended)}); try again, or {_OFFLINE}.")
    return found[0].read_bytes()


def _reason(ended: subprocess.CompletedProcess[str]) -> str:
    """Summarise npm's error in a few words."""
    try:
        said = json.loads(ended.stdout).get("error", {})
        return str(said.get("code") or said.get("summary"))[:80]
    except (ValueError, AttributeError):
        lines = [line for line in ended.stderr.splitlines() if "ERR" in line or "error" in line]
        return (lines[0] if lines else f"exit code {ended.returncode}")[:80]


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read '{path}': {error.strerror}; --runtime names a .tgz or a folder.") from None
    return _checked(data, path.name)


def _checked(data: bytes, name: str) -> bytes:
    if not _is_known(data):
        raise ChecksumMismatch(f"'{name}' is not {PACKAGE} {VERSION}: its sha512 is another; {_OFFLINE}.")
    return data


def _is_known(data: bytes) -> bool:
    return base64.b64encode(hashlib.sha512(data).digest()).decode() == INTEGRITY


def _of_archive(data: bytes) -> Mapping[str, bytes]:
    with tarfile.open(fileobj=BytesIO(data), mode="r:gz") as archive:
        members = {name: archive.extractfile(f"package/dist/{name}") for name in FILES}
        return {name: member.read() for name, member in members.items() if member is not None}


def _of_folder(folder: Path) -> Mapping[str, bytes]:
    """Read the files from a folder that holds them, or the unpacked package around it."""
    places = [folder, folder / "dist", folder / "package" / "dist"]
    place = next((p for p in places if (p / FILES[0]).is_file()), folder)
    missing = [name for name in FILES if not (place / name).is_file()]
    if missing:
        raise RecipeError(f"'{folder}' lacks {missing[0]} of {PACKAGE}; unpack its .tgz there, or name that.")
    return {name: (place / name).read_bytes() for name in FILES}
