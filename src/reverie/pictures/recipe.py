"""Recipes: the JSON text inside a picture that makes it again."""

from __future__ import annotations

import json

from PIL import Image

from reverie.errors import PictureError, reason_of
from reverie.pictures import png, tiff
from reverie.pictures.files import open_picture
from reverie.pictures.formats import AnyPath, Format
from reverie.pictures.raster import quiet_pillow

_EXIF_IFD, _USER_COMMENT, _SOFTWARE = 0x8769, 0x9286, 0x0131
_ASCII, _UNICODE = b"ASCII\0\0\0", b"UNICODE\0"
_MOST_IN_JPEG = 65_000  # bytes; one JPEG segment holds 65533 in all


def read_recipe(path: AnyPath) -> str | None:
    """Read the recipe that ``write_image`` put into a picture; return None if there is none.

    Args:
        path: any picture file.

    Returns:
        The JSON text, exactly as it was given.

    Raises:
        PictureError: the file is missing or damaged.

    Example:
        >>> _ = write_image("dream.png", torch.rand(1, 3, 8, 8), recipe='{"seed": 7}')
        >>> read_recipe("dream.png")
        '{"seed": 7}'
    """
    with open_picture(path) as file, quiet_pillow():
        start = file.read(8)
        file.seek(0)
        try:
            if start == png.SIGNATURE:
                return png.read_recipe_text(file)
            if start[:4] in tiff.SIGNATURES:
                return tiff.read_recipe_text(file)
            if start[:6] == b"\x93NUMPY":
                return None
            with Image.open(file, formats=["JPEG", "WEBP", "GIF", "BMP"]) as image:
                return _from_exif(image.getexif())
        except Exception as error:  # whatever a decoder makes of a damaged file
            raise PictureError(
                f"cannot read the recipe of '{path}': {reason_of(error)}; check that it is a whole picture"
            ) from error


def check_recipe(recipe: str, format_: Format) -> None:
    """Refuse a recipe that is not JSON, or that a format has no room for.

    Raises:
        PictureError: one of these.
    """
    try:
        json.loads(recipe)
        size = len(recipe.encode("utf-8"))
    except (TypeError, ValueError) as error:
        raise PictureError(f"a recipe is JSON text: {error}; use json.dumps") from error
    if format_.name == "JPEG" and len(_comment(recipe)) > _MOST_IN_JPEG:
        raise PictureError(f"a recipe in a JPEG has at most {_MOST_IN_JPEG:,} bytes; got {size:,}; write .png")


def exif_with(recipe: str) -> bytes:
    """Return EXIF data with a recipe as its user comment."""
    exif = Image.Exif()
    exif[_SOFTWARE] = "Reverie"
    exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = _comment(recipe)
    return exif.tobytes()


def _comment(recipe: str) -> bytes:
    if recipe.isascii():
        return _ASCII + recipe.encode("ascii")
    return _UNICODE + recipe.encode("utf-16-le")


def _from_exif(exif: Image.Exif) -> str | None:
    comment = exif.get_ifd(_EXIF_IFD).get(_USER_COMMENT)
    if exif.get(_SOFTWARE) != "Reverie" or not isinstance(comment, bytes):
        return None
    if comment.startswith(_UNICODE):
        return comment[len(_UNICODE) :].decode("utf-16-le")
    return comment[len(_ASCII) :].decode("ascii")
