"""Exit codes of commands."""

from __future__ import annotations

DONE, BROKEN, REFUSED, DIFFERENT, STOPPED = 0, 1, 2, 3, 130
