"""``reverie styles`` and ``reverie presets``: list the samples that come with Reverie."""

from __future__ import annotations

from reverie import styles


def show() -> int:
    """Print the sample styles' names."""
    for name in styles.names():
        print(name)
    return 0


def show_presets() -> int:
    """Print the presets of each craft, a line each."""
    from reverie.jobs.presets import presets

    known = presets()
    width = max(map(len, known), default=0)
    for name, preset in sorted(known.items(), key=lambda pair: (pair[1].craft, pair[0])):
        print(f"{preset.craft:7}  {name:{width}}  {preset.summary}")
    return 0
