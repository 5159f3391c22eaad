"""Choose smaller tiles for a run that the system killed for lack of memory."""

from __future__ import annotations

from reverie.engine.tiles import SMALLEST

LARGEST = 1024  # pixels; the first tiles after a whole picture has failed


def smaller(tile: int, size: tuple[int, int], *, least: int = SMALLEST) -> int | None:
    """Halve the side of the tiles; None if they are the smallest already.

    Args:
        tile: side of the tiles that were too large, pixels; 0, or as large as the picture, where it was done whole.
        size: (H, W) of the picture.
        least: side of the smallest tiles there are.

    Example:
        >>> smaller(0, (1500, 2000)), smaller(512, (1500, 2000)), smaller(128, (1500, 2000))
        (512, 256, None)
    """
    tile = 0 if tile >= max(size) else tile
    if not tile and max(size) > least:
        power: int = 2 ** ((max(size) // 2).bit_length() - 1)  # the largest up to half the longer side
        return min(LARGEST, max(least, power))
    return max(least, tile // 2) if tile > least else None
