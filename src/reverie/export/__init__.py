"""Export: the feed-forward networks as ONNX files and as a page for browsers, to be run without Reverie.

Example::

    export_onnx("superres", "superres.onnx", factor=2)
"""

from __future__ import annotations

from reverie.export.onnxfile import Exported, Parity, export_onnx
from reverie.export.page import export_page
from reverie.export.quantise import Quantised
from reverie.export.specs import ExportSpec, spec_of

__all__ = [
    "ExportSpec",
    "Exported",
    "Parity",
    "Quantised",
    "export_onnx",
    "export_page",
    "spec_of",
]
