"""`python -m reverie` is the command `reverie`."""

import sys

from reverie.cli import main

sys.exit(main())
