"""The door of the command line: every way a command can end becomes an exit code and one line."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

from reverie.errors import ReverieError

DONE, BROKEN, REFUSED, STOPPED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words after ``reverie``; those of this process by default.

    Returns:
        The exit code: 0 done, 1 a fault of Reverie's, 2 refused, 130 stopped by Ctrl-C.

    Example:
        >>> main(["dream", "cat.jpg", "--size", "512"])
        cat-dream.png  512x384  2.1 s
        0
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    try:
        from reverie.cli.app import run

        code = run([word for word in words if word != "--debug"])
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of our output has gone, e.g. `| head`
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 (lives until the process ends)
        return BROKEN
    except KeyboardInterrupt:
        return _end("stopped; nothing was written.", STOPPED, debug=debug)
    except ReverieError as error:
        return _end(str(error), REFUSED, debug=debug)
    except MemoryError:
        return _end(_NO_MEMORY, REFUSED, debug=debug)
    except Exception as error:
        if "allocate memory" in str(error) or "not enough memory" in str(error):
            return _end(_NO_MEMORY, REFUSED, debug=debug)
        what = f"{type(error).__name__}: {error}"
        return _end(f"{what:.300} (a fault of Reverie's; --debug shows where)", BROKEN, debug=debug)


_NO_MEMORY = "there is not enough memory for this; try a smaller --size."


def _end(message: str, code: int, *, debug: bool) -> int:
    """Say one line, after the traceback where that is wanted."""
    if debug:
        traceback.print_exc()
    line = " ".join(message.split())
    print(f"reverie: {line}", file=sys.stderr)
    return code
