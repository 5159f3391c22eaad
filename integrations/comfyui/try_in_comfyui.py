"""Try the nodes in a real ComfyUI without a screen: ``python try_in_comfyui.py PATH_OF_A_CHECKOUT``.

Run it with the Python that ComfyUI runs with; nothing is fetched, and the checkout is left as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "src"
WORKFLOW = HERE / "workflow.json"
FINAL = ("execution_success", "execution_error", "execution_interrupted")
Prompt = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Server:
    """A running ComfyUI."""

    session: aiohttp.ClientSession
    home: Path

    async def get(self, path: str) -> Any:
        async with self.session.get(path) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def run(self, prompt: Prompt, *, interrupt: bool = False) -> tuple[str, list[dict[str, Any]]]:
        """Run a prompt to its end, or interrupt it at its first progress: how it ended, and what was told."""
        async with self.session.ws_connect("/ws?clientId=trial") as socket_:
            body = {"prompt": prompt, "client_id": "trial"}
            async with self.session.post("/prompt", json=body) as answer:
                assert answer.status == 200, await answer.text()
            told: list[dict[str, Any]] = []
            async for message in socket_:
                if message.type is aiohttp.WSMsgType.BINARY:
                    told.append({"type": "preview", "data": {"bytes": len(message.data)}})
                    continue
                event = json.loads(message.data)
                told.append(event)
                if event["type"] in FINAL:
                    return event["type"], told
                if interrupt and event["type"] == "progress":
                    await self.session.post("/interrupt")
        raise RuntimeError("ComfyUI ended")

    def made(self, name: str) -> list[Any]:
        """The saved pictures of that name, as arrays."""
        return [np.asarray(Image.open(path)) for path in sorted((self.home / "output").glob(f"{name}_*.png"))]


@contextlib.asynccontextmanager
async def comfyui(checkout: Path, home: Path) -> AsyncIterator[Server]:
    """A ComfyUI on a free port, with a home folder of its own in which these nodes are linked."""
    for folder in ("custom_nodes", "input", "output", "temp", "user", "models"):
        (home / folder).mkdir()
    (home / "custom_nodes" / "reverie").symlink_to(HERE)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told = (home / "log.txt").open("wb")
    program = [sys.executable, "main.py", "--cpu", "--port", str(port), "--base-directory", str(home)]
    path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH", "")]))
    process = await asyncio.create_subprocess_exec(
        *program, cwd=checkout, env={**os.environ, "PYTHONPATH": path}, stdout=told, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            await _answering(session, process)
            yield Server(session, home)
    except BaseException:
        print((home / "log.txt").read_text(errors="replace")[-3000:])
        raise
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _answering(session: aiohttp.ClientSession, process: asyncio.subprocess.Process) -> None:
    for _ in range(600):
        assert process.returncode is None, "ComfyUI does not start"
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get("/system_stats") as answer:
                if answer.status == 200:
                    return
        await asyncio.sleep(0.2)
    raise RuntimeError("ComfyUI does not answer")


def prompt_of(workflow: dict[str, Any], known: dict[str, Any]) -> Prompt:
    """A saved workflow as ComfyUI's page would send it.

    Args:
        workflow: as the page saves it.
        known: what ``/object_info`` tells of every node.
    """
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        asked = known[node["type"]]["input"]
        names = [
            name for part in ("required", "optional") for name, spec in asked.get(part, {}).items() if _typed(spec)
        ]
        values = [
            value for value in node["widgets_values"] if value not in ("fixed", "randomize", "increment", "image")
        ]
        inputs = dict(zip(names, values, strict=False))
        inputs |= {each["name"]: sources[each["link"]] for each in node["inputs"] if each.get("link") is not None}
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def _typed(spec: list[Any]) -> bool:
    """True if an input is a widget, which a user fills in."""
    return isinstance(spec[0], list) or spec[0] in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def with_defaults(known: dict[str, Any], kind: str, **given: Any) -> dict[str, Any]:
    """A node, its widgets at their defaults but for those given."""
    asked = known[kind]["input"]["required"]
    begin = {name: (spec[1].get("default", spec[0][0])) for name, spec in asked.items() if _typed(spec)}
    return node(kind, **{**begin, **given})


async def trial(server: Server) -> None:
    """Every node, a batch, a mask, a mistake, and an interruption."""
    known = await server.get("/object_info")
    kinds = [kind for kind in known if kind.startswith("Reverie")]
    assert sorted(kinds) == [f"Reverie{name}" for name in ("Dream", "Instant", "Style", "Texture", "Upscale")], kinds
    gradient = np.mgrid[:96, :128].astype(float)
    picture = np.stack([gradient[0] * 2, gradient[1], (gradient[0] * 7) % 255], axis=-1).astype(np.uint8)
    Image.fromarray(picture).save(server.home / "input" / "photo.png")

    workflow = prompt_of(json.loads(WORKFLOW.read_text()), known)
    for each in workflow.values():
        each["inputs"] |= {"size": 96} if "size" in each["inputs"] else {}
    ended, told = await server.run(workflow)
    assert ended == "execution_success", told[-1]
    progress = [event["data"]["value"] for event in told if event["type"] == "progress"]
    assert max(progress) == 1000 and len(set(progress)) > 3, progress
    assert all(len(server.made(name)) == 1 for name in ("dream", "style")), "both pictures are saved"
    print(f"the workflow: {len(progress)} reports of progress, {sum(e['type'] == 'preview' for e in told)} previews")

    load = {"1": node("LoadImage", image="photo.png"), "2": node("RepeatImageBatch", image=["1", 0], amount=2)}
    quick, small = {"size": 64, "more": "octaves=1\nsteps=1"}, {"size": 64, "more": "steps=1"}
    every = {
        "3": with_defaults(known, "ReverieDream", photo=["2", 0], **quick),
        "4": with_defaults(known, "ReverieInstant", photo=["2", 0], sample="mosaic", size=64),
        "5": with_defaults(known, "ReverieTexture", picture=["1", 0], **small),
        "6": with_defaults(known, "ReverieUpscale", photo=["4", 0]),
        "7": with_defaults(
            known, "ReverieStyle", photo=["1", 0], painting=["2", 0], size=64, more="steps=1", weights="2,1"
        ),
    }
    saves = {f"{k}s": node("SaveImage", images=[k, 0], filename_prefix=f"each{k}") for k in every}
    ended, told = await server.run({**load, **every, **saves})
    assert ended == "execution_success", told[-1]
    counts = {key: len(server.made(f"each{key}")) for key in every}
    assert counts == {"3": 2, "4": 2, "5": 1, "6": 2, "7": 1}, counts
    assert server.made("each6")[0].shape == (96, 128, 3), "64 pixels, enlarged twice"
    print("every node, and batches of two")

    half = {
        "10": node("SolidMask", value=1.0, width=64, height=96),
        "11": node("SolidMask", value=0.0, width=128, height=96),
        "12": node("MaskComposite", destination=["11", 0], source=["10", 0], x=0, y=0, operation="add"),
        "13": with_defaults(known, "ReverieDream", photo=["1", 0], mask=["12", 0], size=128, more="octaves=1"),
        "14": node("SaveImage", images=["13", 0], filename_prefix="masked"),
        "15": node("MaskToImage", mask=["13", 1]),
        "16": node("SaveImage", images=["15", 0], filename_prefix="where"),
    }
    ended, told = await server.run({"1": load["1"], **half})
    assert ended == "execution_success", told[-1]
    [masked], [where] = server.made("masked"), server.made("where")
    gap = np.abs(masked.astype(float) - picture).mean(axis=(0, 2))
    assert gap[70:].max() <= 1 < gap[:50].mean() and where[:, :50].min() == 255 and where[:, 70:].max() == 0
    print("a mask, in and out")

    wrong = with_defaults(known, "ReverieDream", photo=["1", 0], more="octave=1")
    ended, told = await server.run({"1": load["1"], "2": wrong, "3": node("PreviewImage", images=["2", 0])})
    assert ended == "execution_error" and "Did you mean 'octaves'" in told[-1]["data"]["exception_message"], told[-1]
    long = with_defaults(known, "ReverieDream", photo=["1", 0], size=512, more="steps=10000")
    ended, _ = await server.run({"1": load["1"], "2": long, "3": node("PreviewImage", images=["2", 0])}, interrupt=True)
    assert ended == "execution_interrupted", ended
    print("a mistake in one line, and an interruption")


async def main(checkout: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with comfyui(checkout, Path(folder)) as server:
            await trial(server)
    print("the nodes work in this ComfyUI")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "main.py").is_file():
        sys.exit("give the folder of a checkout of ComfyUI: make test-comfyui COMFYUI=PATH")
    asyncio.run(main(Path(sys.argv[1]).resolve()))
