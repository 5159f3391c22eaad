"""Build the wheel and the sdist and try each in an empty environment: `python .ci/wheel.py dist`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
LARGEST = 15 * 2**20  # bytes of a wheel, the weights included
SLOWEST = 5.0  # seconds of a first dream
PHOTO = ROOT / "docs" / "gallery" / "photos" / "cat.jpg"


def main() -> int:
    """Build both into a folder and try them."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "dist").resolve()
    run(sys.executable, "-m", "pip", "install", "--quiet", "build")
    run(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT))
    newest = [max(folder.glob(pattern), key=os.path.getmtime) for pattern in ("*.whl", "*.tar.gz")]
    for package in newest:
        size = package.stat().st_size
        print(f"{package.name}: {size / 2**20:.1f} MB, {tried(package):.1f} s to a first dream")
        if size > LARGEST:
            sys.exit(f"{package.name} has {size} bytes; at most {LARGEST} are allowed")
    return 0


def tried(package: Path) -> float:
    """Install a package into an empty environment and dream offline.

    Returns:
        Seconds that the dream took, process and all; the second of two, when its files are in memory.
    """
    with tempfile.TemporaryDirectory(prefix="an empty place ") as place:
        venv.create(place, with_pip=True)
        python = Path(place) / ("Scripts" if os.name == "nt" else "bin") / "python"
        run(str(python), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(package))
        words = [str(python), "-m", "reverie", "dream", str(PHOTO), "--size", "128", "--quality", "draft"]
        offline = {
            **os.environ,
            "no_proxy": "",
            "https_proxy": "http://127.0.0.1:9",
            "http_proxy": "http://127.0.0.1:9",
        }
        for number in (1, 2):
            began = time.monotonic()
            run(*words, "-o", str(Path(place) / f"dream-{number}.png"), environment=offline)
            seconds = time.monotonic() - began
    if seconds > SLOWEST:
        print(f"a first dream took {seconds:.1f} s; {SLOWEST:.0f} s are the aim on an idle machine")
    return seconds


def run(*words: str, environment: dict[str, str] | None = None) -> None:
    """Run a command somewhere else than in the project, so that nothing is imported from it."""
    subprocess.run(words, check=True, env=environment, cwd=tempfile.gettempdir())


if __name__ == "__main__":
    sys.exit(main())
