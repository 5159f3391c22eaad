"""Whatever fails while an untrusted file is parsed is that file's fault, and the cause stays to be seen."""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path

import pytest

from reverie.errors import PictureError, RecipeError, WeightsError
from reverie.untrusted import contents, json_object, refusing

BREAKS = (
    *(KeyError, TypeError, AttributeError, RecursionError, OverflowError, IndexError, ValueError, MemoryError),
    *(struct.error, pickle.UnpicklingError, zipfile.BadZipFile, EOFError, OSError),
)


@pytest.mark.parametrize("kind", BREAKS)
def test_every_way_to_break_is_one_refusal(kind: type[Exception]) -> None:
    broke = kind("\n\0")
    with pytest.raises(RecipeError, match=r"^'x' is damaged\.$") as caught, refusing(RecipeError, "'x' is damaged."):
        raise broke
    assert caught.value.__cause__ is broke


def test_refusals_and_interruptions_pass() -> None:
    for error in (WeightsError("said already"), KeyboardInterrupt(), SystemExit(3)):
        with pytest.raises(type(error)) as caught, refusing(RecipeError, "damaged"):
            raise error
        assert caught.value is error


def test_contents_are_those_of_a_plain_file_of_some_size(tmp_path: Path) -> None:
    (path := tmp_path / "a").write_bytes(b"12345")
    assert contents(path, RecipeError, most=5) == b"12345"
    with pytest.raises(RecipeError, match="has 5 bytes where such a file has 4 at most"):
        contents(path, RecipeError, most=4)
    for bad in (tmp_path, tmp_path / "none", Path("zero\0byte"), Path("x" * 5000)):
        with pytest.raises(PictureError):
            contents(bad, PictureError)


def test_only_objects_count() -> None:
    assert json_object(b'{"a": [1]}') == {"a": [1]}
    for text in ("[]", "3", "{", b"\xff"):
        with pytest.raises(ValueError):
            json_object(text)
