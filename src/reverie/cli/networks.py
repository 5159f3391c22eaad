"""Print information on networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reverie.errors import WeightsError, printable, shortened
from reverie.feedforward.custom import custom_styles, find_custom_style, styles_folder
from reverie.feedforward.johnson import read_johnson
from reverie.networks import Description, LayerSummary, describe, descriptions, names
from reverie.networks.weights import cache_folder
from reverie.networks.zoo import EMBEDDED

_WIDEST = 500  # characters of a cell
_EXAMPLE = 512  # pixels; of the picture whose maps' sizes are shown


def show_all() -> int:
    """Print every network: layers, classes, where its weights lie, licence."""
    rows = [("network", "layers", "classes", "weights", "licence")]
    for name, known in descriptions().items():
        licence = known.licence.split(" ", 1)[0].rstrip(";,") or "-"
        rows.append((name, str(len(known.layers)), str(known.classes or "-"), short_place(known), licence))
    print_table(rows, right=(1, 2))
    print("\n'reverie networks NAME' lists a network's layers.")
    show_custom()
    return 0


def show_custom() -> None:
    """Print the custom style networks, if there are any."""
    known = custom_styles()
    if not known:
        return
    print(f"\nyour own styles, in {styles_folder()}:\n")
    print_table([("style", "painting", "trained"), *((name, *_in_short(path)) for name, path in known.items())])
    print("\n'reverie instant PHOTO --network NAME' paints with one.")


def _in_short(path: Path) -> tuple[str, str]:
    """Return a network's painting, and how long it was trained."""
    try:
        facts = read_johnson(path).facts
    except WeightsError:
        return "-", "damaged"
    return str(facts.get("painting", "-")), _length(facts)


def _length(facts: Mapping[str, Any]) -> str:
    seconds = facts.get("seconds")
    minutes = "" if seconds is None else f", {seconds / 60:.0f} min"
    return f"{facts['steps']} steps{minutes}" if "steps" in facts else "-"


def show_style(word: str) -> int:
    """Print what stands in the file of a custom style network.

    Raises:
        WeightsError: there is no such file, or it is no such network.
    """
    path = find_custom_style(word)
    network = read_johnson(path)
    facts, settings = network.facts, network.facts.get("settings", {})
    widths = [int(network.tensors[f"{layer.name}.weight"].shape[0]) for layer in network.layers]
    print_table(
        [
            ("file", str(path)),
            ("sha256", network.sha256),
            ("painting", str(facts.get("painting", "-"))),
            ("trained", _length(facts)),
            ("for", f"{settings['size']} px" if "size" in settings else "-"),
            ("style weight", str(facts.get("style_weight", "-"))),
            ("judge", str(facts.get("judge", "-"))),
            ("layers", f"{len(network.layers)}, up to {max(widths)} channels"),
            ("made with", f"Reverie {facts['reverie']}" if "reverie" in facts else "-"),
        ]
    )
    if settings:
        print()
        print_table([(f"{name.replace('_', '-')}={value}",) for name, value in sorted(settings.items())])
    return 0


def show(name: str) -> int:
    """Print one network: its layers with channels, stride and sizes, licence, weights.

    Raises:
        RecipeError: there is no such network.
        WeightsError: the file of a custom network cannot be read.
    """
    if name not in names() and (Path(name).suffix or name in custom_styles()):
        return show_style(name)
    known = describe(name)
    print_table(
        [
            ("network", known.name),
            ("paper", known.paper or "-"),
            ("licence", known.licence or "-"),
            ("weights", place(known)),
            ("classes", str(known.classes or "none")),
        ]
    )
    print()
    rows = [("layer", "kind", "channels", "stride", "sees", f"at {_EXAMPLE}", "used for")]
    print_table([*rows, *(row_of(known, layer) for layer in known.layers)], right=(2, 3, 4, 5))
    print(f"\nsees: side of the square a feature sees; at {_EXAMPLE}: side of the map of a picture")
    print(f"{_EXAMPLE} pixels wide; in pixels.")
    return 0


def row_of(known: Description, layer: LayerSummary) -> tuple[str, ...]:
    """Build the table row of a layer."""
    uses = {
        "style": layer.name in known.style_layers,
        "content": layer.name == known.content_layer,
        "dream": layer.name in known.dream_layers,
    }
    return (
        layer.name,
        layer.kind,
        _number(layer.channels),
        _number(layer.stride),
        _number(layer.field),
        _number(layer.stride and -(-_EXAMPLE // layer.stride)),
        ", ".join(use for use, wanted in uses.items() if wanted),
    )


def _number(found: int | None) -> str:
    return "-" if found is None else str(found)


def short_place(known: Description) -> str:
    """Describe the location of the weights in a word or two."""
    if known.name == EMBEDDED:
        return "in the package"
    if known.package:
        return f"in {known.package}"
    return f"to fetch, {known.download / 1e6:.0f} MB" if known.download else "here"


def place(known: Description) -> str:
    """Describe the present or future location of the weights."""
    if known.name == EMBEDDED:
        return "in the package"
    if known.package:
        return f"in the package {known.package}"
    if known.download:
        size = f"{known.download / 1e6:.0f} MB"
        return f"fetched when first used ({size}), then kept in {cache_folder()}"
    return f"in {cache_folder()}"


def print_table(rows: Sequence[tuple[str, ...]], *, right: Sequence[int] = ()) -> None:
    """Print rows in aligned columns, each on one line whatever a file contains.

    Args:
        rows: all of one length.
        right: the columns aligned to the right.
    """
    plain = [tuple(shortened(printable(cell), _WIDEST) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
    for row in plain:
        cells = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
