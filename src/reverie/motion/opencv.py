"""OpenCV, which comes with the extra ``video``, on one thread: its flow depends on their number."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from reverie.errors import ClipError


@cache
def cv2() -> Any:
    """Import OpenCV.

    Raises:
        ClipError: it is not installed.
    """
    if find_spec("cv2") is None:
        raise ClipError("motion is measured by OpenCV, and it is missing; pip install 'reverie-dream[video]'.")
    module = import_module("cv2")
    module.setNumThreads(1)
    return module
