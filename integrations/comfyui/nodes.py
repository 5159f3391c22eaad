"""Nodes of ComfyUI, one for each craft; their sockets and widgets come from the crafts' declarations."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import comfy.model_management
import comfy.utils
import torch
from torch import Tensor

import reverie as rv
from reverie import styles
from reverie.crafts.craft import Craft, Input
from reverie.crafts.kinds import MAP, MASK, PAINTING, PHOTO
from reverie.crafts.registry import find
from reverie.crafts.settings import DIAL, Settings
from reverie.pictures import resize
from reverie.queue.declared import fields_of, setting_card

CRAFTS = ("dream", "style", "instant", "texture", "upscale")
SOCKETS = {PHOTO: "IMAGE", PAINTING: "IMAGE", MAP: "IMAGE", MASK: "MASK"}
"""Type of the socket for each kind of input; inputs of other kinds have none."""
NONE = "none"
"""Chosen where no sample style is."""
PREVIEW_SECONDS, PREVIEW_SIDE = 0.5, 512
_LARGEST_WIDGET = 2**53 - 1  # JavaScript's integers end there


class CraftNode:
    """A node that runs a craft on each picture of a batch.

    Attributes:
        craft: which.
    """

    craft: ClassVar[Craft[..., Any]]
    CATEGORY = "Reverie"
    FUNCTION = "make"
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("image", "mask")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Return sockets and widgets as ComfyUI reads them."""
        sockets = {each.name: (SOCKETS[each.kind], _told(each)) for each in _inputs(cls.craft)}
        needed = {each.name for each in _inputs(cls.craft) if _needed(cls.craft, each)}
        required = {name: socket for name, socket in sockets.items() if name in needed}
        required |= {name: widget(card) for name, card in _cards(cls.craft).items() if card["panel"] == DIAL.title}
        optional = {name: socket for name, socket in sockets.items() if name not in needed}
        if _sampled(cls.craft):
            optional["sample"] = ([NONE, *styles.names()], {"tooltip": "a sample style, where no picture is connected"})
        optional["more"] = ("STRING", {"default": "", "multiline": True, "tooltip": _more(cls.craft)})
        return {"required": required, "optional": optional}

    def make(self, **given: Any) -> tuple[Tensor, Tensor]:
        """Run the craft once for each picture of the batch; paintings and masks are taken from their batches.

        Returns:
            Pictures (B, H, W, 3) in [0, 1], and where was worked on, (B, H, W): the mask at their size.
        """
        with torch.inference_mode(False), torch.enable_grad():
            settings = _settings(self.craft, given)
            runs = list(_values(self.craft, given))
            bar = comfy.utils.ProgressBar(1000 * len(runs))
            made = [self._run(values, settings, bar, done=number) for number, values in enumerate(runs)]
            masks = [_mask_of(values, of=picture) for values, picture in zip(runs, made, strict=True)]
            return torch.cat(made).permute(0, 2, 3, 1).contiguous(), torch.cat(masks)[:, 0]

    def _run(self, values: Mapping[str, Any], settings: Settings, bar: Any, *, done: int) -> Tensor:
        """Make one picture, (1, 3, H, W), telling how far it is."""
        run = self.craft.make(values, settings)
        plan = run.planned(memory=getattr(settings, "memory", None), tile=getattr(settings, "tile", None))
        shown = 0.0
        for step in run.steps(plan):
            comfy.model_management.throw_exception_if_processing_interrupted()
            due = not step.last and time.monotonic() - shown > PREVIEW_SECONDS
            preview = ("JPEG", rv.to_pil(step.image), PREVIEW_SIDE) if due else None
            shown = time.monotonic() if due else shown
            bar.update_absolute(round(1000 * (done + step.done)), preview=preview)
        picture: Tensor = step.image
        return picture


def widget(card: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a setting as a widget of ComfyUI; a list is a text with commas."""
    default, told = card["default"], {"tooltip": card["description"]}
    if card["type"] == "choice":
        return list(card["choices"]), told | {"default": default}
    if card["type"] == "switch":
        return "BOOLEAN", told | {"default": default}
    least, most = card.get("minimum", card.get("above", 0)), card.get("maximum", card.get("below", _LARGEST_WIDGET))
    if card["type"] == "integer":
        default = default or 0  # 0 where nothing is chosen
        limits = {"min": min(int(least), default), "max": int(min(most, _LARGEST_WIDGET))}
        return "INT", told | limits | {"default": default}
    if card["type"] == "number":
        return "FLOAT", told | {"default": default, "min": float(least), "max": float(most), "step": 0.05}
    words = ", ".join(map(str, default)) if isinstance(default, list) else default or ""
    return "STRING", told | {"default": words}


def node_for(name: str) -> type[CraftNode]:
    """Build the node of a craft."""
    craft = find(name)
    return type(f"Reverie{name.title()}", (CraftNode,), {"craft": craft, "DESCRIPTION": craft.summary})


def _inputs(craft: Craft[..., Any]) -> list[Input]:
    return [each for each in craft.inputs if each.kind in SOCKETS]


def _sampled(craft: Craft[..., Any]) -> Input | None:
    """The input for which a sample style can stand."""
    return next((each for each in craft.inputs if each.kind.samples), None)


def _needed(craft: Craft[..., Any], each: Input) -> bool:
    return each.required and not each.kind.samples and not (each is craft.main and craft.noise)


def _told(each: Input) -> dict[str, Any]:
    return {"tooltip": each.description + ("; a batch is several of them" if each.many else "")}


def _cards(craft: Craft[..., Any]) -> dict[str, dict[str, Any]]:
    """The settings of a craft as the studio describes them, by name."""
    return {name: setting_card(name, field) for name, field in fields_of(craft.settings)}


def _more(craft: Craft[..., Any]) -> str:
    names = ", ".join(name for name, card in _cards(craft).items() if card["panel"] != DIAL.title)
    return f"other settings, NAME=VALUE on a line each: {names}"


def _settings(craft: Craft[..., Any], given: Mapping[str, Any]) -> Settings:
    """Check what the widgets say; a number of 0 and an empty text where nothing is chosen are left out.

    Raises:
        RecipeError: a setting there is not, or a wrong value.
    """
    cards = _cards(craft)
    dials = {name: given[name] for name in cards if name in given and (given[name] or cards[name]["default"])}
    lines = [line.partition("=") for line in given.get("more", "").splitlines() if line.strip()]
    return craft.checked({**dials, **{name.strip(): value.strip() for name, _, value in lines}})


def _values(craft: Craft[..., Any], given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the inputs of each run, as tensors of our own: ComfyUI's are made in inference mode.

    Raises:
        RecipeError: one is missing.
    """
    batches = {each: list(_tensor(given[each.name])) for each in _inputs(craft) if given.get(each.name) is not None}
    sampled = _sampled(craft)
    if sampled is not None and sampled not in batches and given.get("sample", NONE) != NONE:
        batches[sampled] = [rv.read_image(styles.path(given["sample"]))]
    craft.check({each.name: len(batch) if each.many else 1 for each, batch in batches.items()})
    count = max([1, *(len(batch) for each, batch in batches.items() if each is craft.main and not each.many)])
    for number in range(count):
        yield {each.name: batch if each.many else batch[number % len(batch)] for each, batch in batches.items()}


def _tensor(batch: Tensor) -> Iterator[Tensor]:
    """Yield the pictures (1, 3, H, W), or masks (1, 1, H, W), of a batch of ComfyUI's."""
    channels = batch[..., :3].permute(0, 3, 1, 2) if batch.dim() == 4 else batch[:, None]
    yield from channels.float().cpu().clone().split(1)


def _mask_of(values: Mapping[str, Any], *, of: Tensor) -> Tensor:
    """Return the mask, (1, 1, H, W), at a picture's size; all 1 where there is none."""
    mask = values.get(MASK.name)
    return torch.ones_like(of[:, :1]) if mask is None else resize(mask, of.shape[-2:]).clamp(0, 1)


NODE_CLASS_MAPPINGS = {f"Reverie{name.title()}": node_for(name) for name in CRAFTS}
NODE_DISPLAY_NAME_MAPPINGS = {f"Reverie{name.title()}": f"{name.title()} (Reverie)" for name in CRAFTS}
