"""The choices that several rooms offer by name; nothing heavy is loaded for them."""

from __future__ import annotations

from typing import Literal

Precision = Literal["auto", "float32", "bfloat16"]
"""In which a network runs; "auto" measures what is fastest on this machine."""

ColourMode = Literal["painting", "photo", "mean", "histogram", "palette"]
"""Whose colours a picture gets."""

Variant = Literal["faithful", "sharp"]
"""Of the networks that enlarge."""
