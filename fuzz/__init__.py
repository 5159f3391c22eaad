"""Strangers' files, made by the thousand: whatever Reverie reads is either read or refused in one line.

`make fuzz` changes small good inputs of every kind (flipped bits, cut ends, foreign heads, spliced halves) and reads
them in one process, one after the other. An input that ends in anything but a result or a `ReverieError` of one line,
takes longer or more memory than its target allows, runs a program, or touches a file it was not given, is a finding:
it is kept in a folder and can be made again from its seed and number.

A new kind of input is one file in `fuzz/targets/` that holds ``TARGETS``, a tuple of `Target`; nothing else needs to
know of it. What was found and mended stays in `fuzz/corpus/TARGET/` and is read again by the tests.
"""

from __future__ import annotations

from fuzz.harness import Finding, Tally, fuzz, replay
from fuzz.target import Target

__all__ = ["Finding", "Tally", "Target", "fuzz", "replay"]
