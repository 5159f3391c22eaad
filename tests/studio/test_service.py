"""The service, by real HTTP: what scripts rely on, to the letter."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import reverie as rv
from reverie import styles
from reverie.client import Client, Refusal
from tests.studio.conftest import Studio, png, served

QUICK = {"size": 64, "steps": 2, "octaves": 1}


def ask(studio: Studio, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Code and JSON of an answer."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if isinstance(body, dict) else {}
    request = urllib.request.Request(studio.url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            said = answer.read()
            return answer.status, json.loads(said) if said.startswith((b"{", b"[")) else said
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def photo(studio: Studio) -> str:
    return studio.client.bring(png(), "my cat.png")


def test_a_script_as_it_was_promised(studio: Studio, photo: str) -> None:
    wanted = {"craft": "style", "inputs": {"photo": photo, "painting": [photo]}, "settings": {"size": 64}}
    code, job = ask(studio, "POST", "/api/jobs", wanted)
    assert code == 201
    assert {"id", "state", "progress", "results", "error"} <= job.keys()
    done = studio.client.wait(job["id"])
    assert (done["state"], done["progress"], done["error"], len(done["results"])) == ("done", 1.0, None, 1)
    assert studio.client.result(done["results"][0]).startswith(b"step 2 of")
    assert ask(studio, "POST", "/api/jobs", wanted) == (200, done)


def test_pictures_are_what_they_were(studio: Studio) -> None:
    data = png(51, 23)
    code, told = ask(studio, "PUT", "/api/pictures?name=%E7%8C%AB%3Cb%3E.jpeg", data)
    assert code == 201 and (told["name"], told["width"], told["height"], told["bytes"]) == (
        "猫-b.png",
        51,
        23,
        len(data),
    )
    assert ask(studio, "PUT", "/api/pictures?name=%E7%8C%AB%3Cb%3E.jpeg", data)[1]["id"] == told["id"]
    assert ask(studio, "GET", f"/api/pictures/{told['id']}") == (200, told)
    assert ask(studio, "GET", f"/api/pictures/{told['id']}/file") == (200, data)
    small = ask(studio, "GET", f"/api/pictures/{told['id']}/small?side=16")[1]
    assert small.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "words"),
    [
        ("POST", "/api/jobs", {"craft": "dreem"}, 400, "there is no craft 'dreem'"),
        ("POST", "/api/jobs", {"craft": "dream", "settings": {"sizze": 1}}, 400, "Did you mean 'size'?"),
        ("POST", "/api/jobs", {"craft": "dream", "settings": {"size": "big"}}, 400, "size: input should be"),
        ("POST", "/api/jobs", {"craft": "dream", "inputs": {"photo": "nobody"}}, 400, "'nobody' is no photo"),
        ("POST", "/api/jobs", {"craft": "style", "inputs": {"photo": []}}, 400, "style needs a PHOTO"),
        ("POST", "/api/jobs", {"craft": "dream", "settings": {"network": "../x.pth"}}, 400, "network is one of"),
        ("POST", "/api/jobs", {"craft": "export"}, 400, "there is no craft 'export'"),
        ("POST", "/api/jobs", {"craft": "dream", "colour": 1}, 422, "there is no 'colour' in this request"),
        ("POST", "/api/jobs", {}, 422, "craft: field required"),
        ("GET", "/api/jobs/nobody", None, 404, "there is no job 'nobody'"),
        ("GET", "/api/jobs/nobody/events", None, 404, "there is no job 'nobody'"),
        ("GET", "/api/results/nobody", None, 404, "there is no result 'nobody'"),
        ("GET", "/api/styles/nobody/small", None, 404, "there is no sample style"),
        ("GET", "/api/jobs?most=0", None, 422, "most: input should be greater"),
        ("GET", "/api/nothing", None, 404, "there is nothing here"),
        ("DELETE", "/api/jobs", None, 405, "this cannot be done here"),
        ("PUT", "/api/pictures", b"", 400, "the body is empty"),
        ("PUT", "/api/pictures?name=x.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 400, "a picture is a PNG"),
        ("PUT", "/api/pictures?name=x.png", png()[:60], 400, "cannot read 'x.png'"),
    ],
)  # fmt: skip
def test_refusals_are_one_sentence(studio: Studio, method: str, path: str, body: Any, code: int, words: str) -> None:
    found, told = ask(studio, method, path, body)
    assert found == code and words in told["error"] and list(told) == ["error"]
    assert str(studio.service.desk.home.path) not in told["error"] and "\n" not in told["error"]


def test_a_picture_has_so_many_bytes(tmp_path: Path) -> None:
    with served(tmp_path, most=1000) as studio, pytest.raises(Refusal, match="at most") as error:
        studio.client.bring(b"\x89PNG" + bytes(2000))
    assert error.value.code == 413 and list((tmp_path / "pictures").iterdir()) == []


def test_too_many_pixels(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reverie.queue.desk.PIXELS", 1000)
    with pytest.raises(Refusal, match="at most 1,000 pixels; got 40x30"):
        studio.client.bring(png(40, 30, (1, 2, 3)))


def slow(studio: Studio, photo: str) -> Any:
    """A job that takes its time."""
    return studio.client.order(
        "dream", {"photo": photo}, {"size": 64, "steps": 500, "seed": int(time.time_ns()) % 10**9}
    )


def running(studio: Studio, id: str) -> None:
    next(event for event in studio.client.events(id) if event["event"] == "progress")


def test_cancel_pause_retry_and_delete(studio: Studio, photo: str) -> None:
    client = studio.client
    id = slow(studio, photo)["id"]
    running(studio, id)
    assert client.pause(id)["state"] in ("running", "paused")
    assert next(e for e in client.events(id) if e.get("state") == "paused")
    with pytest.raises(Refusal, match="there is nothing to pause") as error:
        client.pause(id)
    assert error.value.code == 409
    client.retry(id)
    running(studio, id)
    with pytest.raises(Refusal, match="cancel it first"):
        client.remove(id)
    client.cancel(id, keep=True)
    done = client.wait(id)
    assert done["state"] == "cancelled" and len(done["results"]) == 1
    client.remove(id)
    with pytest.raises(Refusal, match="there is no job"):
        client.job(id)
    assert not studio.service.desk.home.job(id).exists()


def test_events_come_at_once_and_are_kept(studio: Studio, photo: str) -> None:
    id = studio.client.order("dream", {"photo": photo}, {**QUICK, "seed": 7})["id"]
    first = list(studio.client.events(id))
    assert [e["event"] for e in first].count("progress") == 2 and first[-2]["state"] == "done"
    assert list(studio.client.events(id)) == first
    half = first[len(first) // 2]["number"]
    assert list(studio.client.events(id, after=half)) == [e for e in first if e["number"] > half]
    request = urllib.request.Request(f"{studio.url}/api/jobs/{id}/events", headers={"Last-Event-ID": str(half)})
    with urllib.request.urlopen(request) as answer:
        text = answer.read().decode()
    assert f"id: {first[-1]['number']}\n" in text and f"id: {half}\n" not in text
    assert ask(studio, "GET", f"/api/jobs/{id}/events?after={first[-1]['number']}")[0] == 204


def test_a_stream_of_all_jobs_tells_within_a_tenth_of_a_second(studio: Studio) -> None:
    heard: list[float] = []
    ready = threading.Event()

    def listen() -> None:
        with urllib.request.urlopen(f"{studio.url}/api/events") as answer:
            ready.set()
            for line in answer:
                if line.startswith(b"data: ") and b"told at" in line:
                    heard.append(time.monotonic() - json.loads(line[6:])["told at"])
                if len(heard) == 20:
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    assert ready.wait(5)
    for _ in range(20):
        studio.service.desk.store.say(None, "message", {"told at": time.monotonic()})
        studio.service.foreman.wake()
        time.sleep(0.01)
    thread.join(5)
    assert sorted(heard)[len(heard) // 2] <= 0.1, heard


def test_order_of_the_queue(studio: Studio, photo: str) -> None:
    ask(studio, "POST", "/api/queue/pause")
    try:
        ids = [studio.client.order("dream", {"photo": photo}, {**QUICK, "seed": 100 + n})["id"] for n in range(3)]
        ask(studio, "POST", f"/api/jobs/{ids[2]}/place", {"before": ids[0]})
        code, told = ask(studio, "GET", "/api/jobs?state=queued")
        assert code == 200 and [job["id"] for job in told["jobs"]] == [ids[2], ids[0], ids[1]]
        told = ask(studio, "PATCH", f"/api/jobs/{ids[1]}", {"starred": True, "title": "<b>cat</b>", "priority": 3})[1]
        assert (told["starred"], told["title"], told["priority"]) == (True, "<b>cat</b>", 3)
        assert ask(studio, "GET", "/api/jobs?starred=true&search=CAT")[1]["jobs"][0]["id"] == ids[1]
        assert ask(studio, "GET", "/api/queue")[1]["paused"] is True
    finally:
        ask(studio, "POST", "/api/queue/resume")
    assert all(studio.client.wait(id)["state"] == "done" for id in ids)


def test_grids_and_variations(studio: Studio, photo: str) -> None:
    wanted = {"craft": "dream", "inputs": {"photo": photo}, "settings": QUICK}
    varied = {**wanted, "grid": {"size": [48, 64], "octaves": [1, 2]}, "variations": 2}
    code, told = ask(studio, "POST", "/api/batches", varied)
    chosen = [(job["settings"]["size"], job["settings"]["octaves"], job["settings"]["seed"]) for job in told["jobs"]]
    assert code == 201 and chosen == [(s, o, n) for s in (48, 64) for o in (1, 2) for n in (0, 1)]
    assert [job["id"] for job in ask(studio, "GET", f"/api/batches/{told['id']}")[1]["jobs"]] == [
        j["id"] for j in told["jobs"]
    ]
    before = ask(studio, "GET", "/api/queue")[1]["counts"]
    code, told = ask(studio, "POST", "/api/batches", {**wanted, "grid": {"size": [32, -5]}})
    assert code == 400 and sum(before.values()) == sum(ask(studio, "GET", "/api/queue")[1]["counts"].values())
    assert ask(studio, "POST", "/api/batches", {**wanted, "grid": {"size": list(range(32, 532))}})[0] == 400


def test_a_result_dropped_back(studio: Studio, photo: str, tmp_path: Path) -> None:
    """What the command line made returns with all its settings, and its photo where that is here."""
    from reverie.cli import main

    (tmp_path / "my cat.png").write_bytes(png())
    made = tmp_path / "made.jpg"
    words = ["--size", "40", "--steps", "1", "--octaves", "1", "--precision", "float32", "-o", str(made)]
    assert main(["dream", str(tmp_path / "my cat.png"), *words]) == 0
    id = studio.client.bring(made)
    code, told = ask(studio, "GET", f"/api/pictures/{id}/record")
    assert code == 200 and told["craft"] == "dream" and told["settings"]["size"] == 40
    assert told["inputs"][0]["name"] == "my cat.png" and told["inputs"][0]["id"] == photo
    again = ask(
        studio, "POST", "/api/jobs", {"craft": "dream", "inputs": {"photo": photo}, "settings": told["settings"]}
    )
    assert again[0] == 201
    assert ask(studio, "GET", f"/api/pictures/{photo}/record")[0] == 400


def test_the_command_of_a_job(studio: Studio, photo: str) -> None:
    settings = {"size": 64, "steps": [2, 3], "layers": ["relu2_2"], "seamless": True, "octaves": 2}
    id = studio.client.order("dream", {"photo": photo}, settings)["id"]
    words = ask(studio, "GET", f"/api/jobs/{id}/command")[1]["command"]
    assert words == "reverie dream 'my cat.png' --layers relu2_2 --octaves 2 --seamless --size 64 --steps 2,3"


def test_what_there_is_to_choose_from(studio: Studio) -> None:
    crafts = {each["name"]: each for each in studio.client.crafts()}
    assert {"dream", "style", "instant", "texture", "upscale", "zoom"} <= crafts.keys() and "export" not in crafts
    size = next(each for each in crafts["dream"]["settings"] if each["name"] == "size")
    assert (size["type"], size["panel"], size["default"]) == ("integer", "Dials", 768) and size["minimum"] >= 1
    assert "properties" in crafts["dream"]["schema"]
    assert not any("schema" in each for each in ask(studio, "GET", "/api/crafts?schema=false")[1])
    painting = next(each for each in crafts["style"]["inputs"] if each["name"] == "painting")
    assert painting["many"] and painting["samples"]
    assert {each["name"] for each in ask(studio, "GET", "/api/styles")[1]} == set(styles.names())
    assert any(each["name"] == "dreamnet" for each in ask(studio, "GET", "/api/networks")[1]["networks"])
    assert all(each["craft"] in crafts for each in ask(studio, "GET", "/api/presets")[1])
    assert ask(studio, "GET", "/api/styles/mosaic/small")[1].startswith(b"\xff\xd8")


def test_the_client_brings_files_by_itself(studio: Studio, tmp_path: Path) -> None:
    Image.new("RGB", (20, 20), "teal").save(tmp_path / "a b.png")
    client = rv.Client(studio.url)
    job = client.order("style", {"photo": tmp_path / "a b.png", "painting": "mosaic"}, {"size": 64})
    assert client.wait(job["id"])["state"] == "done"
    with pytest.raises(Refusal, match="there is no craft"):
        client.order("paint", {})


def test_a_client_of_nobody() -> None:
    with pytest.raises(OSError, match="refused"):
        Client("http://127.0.0.1:9").crafts()


def test_a_file_that_is_deleted_while_it_is_asked_for(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(type(studio.service.desk), "small", lambda *_: tmp_path / "gone.jpg")
    code, told = ask(studio, "GET", "/api/styles/mosaic/small?side=77")
    assert code == 404 and "deleted" in told["error"]
