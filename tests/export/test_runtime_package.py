"""ONNX Runtime for browsers, from npm: checked, kept, and one line where it cannot be had."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from reverie.errors import ChecksumMismatch, RecipeError, WeightsError
from reverie.export import runtime
from reverie.export.runtime import FILES, VERSION, runtime_files


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A .tgz like npm's, known by its checksum."""
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as file:
        for name in (*FILES, "../../elsewhere.mjs"):
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(name)
            file.addfile(member, io.BytesIO(name.encode()))
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    monkeypatch.setattr(runtime, "INTEGRITY", digest)
    return path


@pytest.fixture
def npm(tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm that copies the archive, and notes that it was asked; the cache is empty."""
    folder = tmp_path / "bin"
    folder.mkdir()
    asked = tmp_path / "asked"
    program = folder / "npm"
    program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\ncp {archive} onnxruntime-web-{VERSION}.tgz\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "home"))
    return asked


def test_npm_is_asked_once(npm: Path) -> None:
    assert runtime_files() == runtime_files() == {name: name.encode() for name in FILES}
    assert npm.read_text().split() == ["pack", f"onnxruntime-web@{VERSION}", "--json", "--silent"]


def test_what_is_damaged_in_the_cache_is_fetched_anew(npm: Path) -> None:
    kept = runtime.kept()
    kept.write_bytes(b"damaged")
    assert set(runtime_files()) == set(FILES)
    assert npm.read_text().count("pack") == 2


def test_other_bytes_are_refused(npm: Path, archive: Path) -> None:
    archive.write_bytes(archive.read_bytes() + b"more")
    for source in (None, archive):
        with pytest.raises(ChecksumMismatch, match="sha512") as refused:
            runtime_files(source)
        assert "\n" not in str(refused.value)
    assert not list(npm.parent.glob("home/**/*.tgz"))


def test_offline(archive: Path, tmp_path: Path) -> None:
    assert runtime_files(archive)["ort.wasm.min.mjs"] == b"ort.wasm.min.mjs"
    with tarfile.open(archive) as file:
        for name in FILES:
            file.extract(f"package/dist/{name}", tmp_path, filter="data")
    for folder in (tmp_path, tmp_path / "package", tmp_path / "package" / "dist"):
        assert set(runtime_files(folder)) == set(FILES)
    (tmp_path / "package" / "dist" / FILES[-1]).unlink()
    with pytest.raises(RecipeError, match=FILES[-1]):
        runtime_files(tmp_path)


def test_no_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RecipeError, match=r"needs npm.*--runtime onnxruntime-web") as refused:
        runtime_files()
    assert "\n" not in str(refused.value)


def test_npm_that_fails(npm: Path) -> None:
    program = npm.with_name("bin") / "npm"
    program.write_text('#!/bin/sh\necho \'{"error": {"code": "ENOTFOUND"}}\'\nexit 1\n')
    with pytest.raises(WeightsError, match=r"ENOTFOUND.*try again"):
        runtime_files()
