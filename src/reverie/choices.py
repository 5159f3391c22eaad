"""The choices that several rooms offer by name; nothing heavy is loaded for them."""

from __future__ import annotations

from typing import Literal

Precision = Literal["auto", "float32", "bfloat16", "float16", "tf32"]
"""In which a network runs; "auto" measures what is fastest on this device. The last two are for accelerators."""

DEVICES = r"[a-z]+(:\d+)?"
"""Names of devices: auto, cpu, cuda, cuda:1, mps, xpu, or another that PyTorch knows."""

ColourMode = Literal["painting", "photo", "mean", "histogram", "palette"]
"""Whose colours a picture gets."""

Variant = Literal["faithful", "sharp"]
"""Of the networks that enlarge."""
