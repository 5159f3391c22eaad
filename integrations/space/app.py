"""Reverie as a Gradio Space: a tab for each craft, its form from the declaration, as in the studio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

import reverie as rv
from reverie import styles
from reverie.crafts.craft import Craft
from reverie.crafts.registry import find
from reverie.crafts.settings import DIAL
from reverie.queue.declared import craft_card

CRAFTS = ("dream", "style", "instant", "texture", "upscale")
LARGEST, EVERY = 768, 4
"""Longest side that a shared machine makes, pixels, and steps between pictures on the way."""


def field(card: dict[str, Any]) -> gr.components.Component:
    """Draw a setting."""
    name, default, told = card["name"].replace("_", " ").capitalize(), card["default"], card["description"]
    if card["type"] == "choice":
        return gr.Radio(card["choices"], value=default, label=name, info=told)
    if card["type"] == "switch":
        return gr.Checkbox(default, label=name, info=told)
    if card["name"] == "size":
        return gr.Slider(64, LARGEST, value=min(default or 512, LARGEST), step=32, label=name, info=told)
    if card["type"] in ("integer", "number"):
        return gr.Number(default, label=name, info=told)
    return gr.Textbox(", ".join(map(str, default or [])), label=name, info=told)


def tab(craft: Craft[..., Any]) -> None:
    """Draw a craft: its first pictures, its dials, and what it makes."""
    cards = [card for card in craft_card(craft)["settings"] if card["panel"] == DIAL.title]
    inputs, names = craft.by_place, [card["name"] for card in cards]
    sampled = any(each.kind.samples for each in inputs)
    gr.Markdown(craft.summary)
    with gr.Row():
        with gr.Column():
            pictures = [gr.Image(label=each.name.capitalize(), type="filepath", image_mode=None) for each in inputs]
            sample = gr.Dropdown(styles.names(), value=None, label="Or a sample style", visible=sampled)
            fields = [field(card) for card in cards]
        made = gr.Image(label="Result", format="png", interactive=False)

    def make(chosen: str | None, *given: Any) -> Iterator[Any]:
        try:
            yield from grown(craft, chosen, given[: len(inputs)], dict(zip(names, given[len(inputs) :], strict=True)))
        except rv.ReverieError as error:
            raise gr.Error(str(error)) from None

    gr.Button("Make it", variant="primary").click(make, [sample, *pictures, *fields], made, api_name=craft.name)


def grown(craft: Craft[..., Any], chosen: str | None, files: Sequence[str | None], dials: Any) -> Iterator[Any]:
    """Yield the picture as it grows."""
    sampled = {each.name: styles.path(chosen) for each in craft.by_place if each.kind.samples and chosen}
    found = sampled | {each.name: file for each, file in zip(craft.by_place, files, strict=True) if file}
    craft.check(dict.fromkeys(found, 1))
    values = {name: [rv.read_image(file)] for name, file in found.items()}
    values = {name: many if craft.input(name).many else many[0] for name, many in values.items()}
    settings = craft.checked({name: value for name, value in dials.items() if value not in ("", None)})
    run = craft.make(values, settings)
    for number, step in enumerate(run.steps(run.planned())):
        if step.last or number % EVERY == 0:
            yield rv.to_pil(step.image)


with gr.Blocks(title="Reverie") as app:
    gr.Markdown("# Reverie\nDream on, restyle, invent and enlarge pictures.")
    for name in CRAFTS:
        with gr.Tab(name.capitalize()):
            tab(find(name))

if __name__ == "__main__":
    app.launch()
