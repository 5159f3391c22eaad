"""Tests of all rooms; modules are compiled once, not anew by each of the processes that tests start."""

import os
import sys

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
