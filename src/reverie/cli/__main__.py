"""``python -m reverie.cli`` is ``reverie``."""

from __future__ import annotations

import sys

from reverie.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
