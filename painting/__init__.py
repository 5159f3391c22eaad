"""A procedural painter: the sample styles of Reverie, painted by code and free to use.

Each module paints one picture: ``paint(sheet, rng)`` fills a blank sheet and returns nothing.
``python -m painting OUTDIR`` paints them all; the same seed and size paint the same picture.
"""
