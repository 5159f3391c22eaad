"""The command line: ``reverie dream``, ``style``, ``replay``, ``networks``, ``styles``."""

from __future__ import annotations

from reverie.cli.entry import main

__all__ = ["main"]
