from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from reverie.errors import FileError, PictureError
from reverie.files import replacing, write_bytes


def test_finished_file_takes_its_place(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    with replacing(target) as draft:
        assert draft.path.parent == tmp_path and draft.path.suffix == ".png" and draft.path != target
        draft.file.write(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [KeyError("x"), KeyboardInterrupt(), OSError("encoder")])
def test_after_any_exception_the_old_file_is_untouched(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"old")
    with pytest.raises(type(error)), replacing(target) as draft:
        draft.file.write(b"half")
        raise error
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EDQUOT])
def test_a_full_disk_is_one_line(tmp_path: Path, code: int) -> None:
    one_line = r"^cannot write '.*out\.png': the .*; [^\n]*$"
    with pytest.raises(PictureError, match=one_line), replacing(tmp_path / "out.png"):
        raise OSError(code, os.strerror(code))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="files have no such limit there")
def test_what_a_full_disk_refused_is_not_tried_again(tmp_path: Path) -> None:
    """Bytes that still wait in a buffer when the disk is full cost no second error, and leave nothing behind."""
    import resource

    path, before = tmp_path / "a.bin", resource.getrlimit(resource.RLIMIT_FSIZE)
    path.write_bytes(b"old")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(FileError, match="grew past the allowed size"), replacing(path) as draft:
            draft.file.write(bytes(600))
            draft.file.write(bytes(600))
            draft.file.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for path, reason in (
        (tmp_path / "folder.png", "it is a folder"),
        (tmp_path / "missing" / "out.png", "there is no folder"),
        (tmp_path / ("n" * 300 + ".png"), "too long"),
        ("bad\0name.png", "null"),
    ):
        with pytest.raises(PictureError, match=reason) as caught:
            write_bytes(path, b"x")
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PictureError, match="may not be written"):
        write_bytes(tmp_path / "out.png", b"x")
    tmp_path.chmod(0o700)


def test_permissions_are_those_of_an_ordinary_or_of_the_old_file(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    write_bytes(tmp_path / "new.png", b"x")
    assert (tmp_path / "new.png").stat().st_mode == ordinary.stat().st_mode
    (tmp_path / "new.png").chmod(0o640)
    write_bytes(tmp_path / "new.png", b"y")
    assert (tmp_path / "new.png").stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to("real.png")
    write_bytes(tmp_path / "link.png", b"new")
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "real.png").read_bytes() == b"new"


def test_many_writers_of_one_file(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for _ in range(10):
            write_bytes(tmp_path / "out.bin", bytes([number]) * 50_000)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = (tmp_path / "out.bin").read_bytes()
    assert len(data) == 50_000 and len(set(data)) == 1
    assert len(list(tmp_path.iterdir())) == 1


LIMITED = """
import resource, sys, torch
from reverie.errors import FileError, PictureError
from reverie.pictures import write_image
torch.set_num_threads(1)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for path in sys.argv[1:]:
    try:
        write_image(path, torch.rand(1, 3, 200, 200))
    except PictureError as error:
        print(error)
"""


def test_past_the_allowed_file_size(tmp_path: Path) -> None:
    names = [tmp_path / f"out{s}" for s in (".png", ".jpg", ".webp", ".tif", ".npy")]
    for name in names:
        name.write_bytes(b"old")
    run = subprocess.run([sys.executable, "-c", LIMITED, *map(str, names)], capture_output=True, text=True)
    assert run.stderr == "" and run.stdout.count("grew past the allowed size") == len(names)
    assert len(run.stdout.splitlines()) == len(names)
    assert all(name.read_bytes() == b"old" for name in names)
    assert sorted(tmp_path.iterdir()) == sorted(names)


KILLED = """
import os, signal, sys, time, torch
from reverie.pictures import read_image, write_image
torch.set_num_threads(1)
pictures = [torch.full((1, 3, 120, 160), v) for v in (0.2, 0.8)]
for path in sys.argv[1:]:
    write_image(path, pictures[0])

def write_for_ever():
    while True:
        for x in pictures[::-1]:
            for path in sys.argv[1:]:
                write_image(path, x)

seen = set()
for turn in range(12):
    child = os.fork()
    if child == 0:
        write_for_ever()
    time.sleep(0.004 + 0.0067 * turn)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for path in sys.argv[1:]:
        x = read_image(path)
        assert x.shape == (1, 3, 120, 160) and float(x.max() - x.min()) < 0.02
        seen.add(round(float(x.mean()), 1))
print(sorted(seen))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_killed_while_writing_the_file_is_always_whole(tmp_path: Path) -> None:
    names = [str(tmp_path / f"out{s}") for s in (".png", ".jpg", ".tif", ".npy")]
    run = subprocess.run(
        [sys.executable, "-c", KILLED, *names],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert run.stderr == "" and run.stdout == "[0.2, 0.8]\n"
