"""A client of the studio in one file, of Python's standard library only: it may be copied to where Reverie is not.

studio = Client("http://127.0.0.1:7860")
job = studio.order("style", {"photo": Path("cat.jpg"), "painting": "mosaic"}, {"size": 512})
Path("painted.png").write_bytes(studio.result(studio.wait(job["id"])["results"][0]))
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

Json = dict[str, Any]
Input = str | Path
"""An id, the name of a sample style, or a file that is brought first."""
OVER = ("done", "failed", "cancelled")
_TRIES = 5


class Refusal(Exception):
    """What the studio refused, in one sentence.

    Attributes:
        code: of the answer, e.g. 404.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Client:
    """The studio at an address.

    Args:
        url: as the studio printed it when it began; a token in it is used.
        timeout: seconds to wait for an answer.
    """

    def __init__(self, url: str = "http://127.0.0.1:7860", *, timeout: float = 60.0) -> None:
        parts = urllib.parse.urlsplit(url)
        self._root = f"{parts.scheme}://{parts.netloc}/api"
        self._token = urllib.parse.parse_qs(parts.query).get("token", [""])[0]
        self._timeout = timeout

    def crafts(self) -> list[Json]:
        """List the crafts, each with its inputs and settings."""
        found: list[Json] = self._ask("GET", "/crafts")
        return found

    def bring(self, picture: Path | bytes, name: str | None = None) -> str:
        """Bring a picture or a clip; return its id.

        Args:
            picture: a file, or its bytes.
            name: as people know it; by default the file's.
        Raises:
            Refusal: it is neither, or too large.
        """
        data = picture if isinstance(picture, bytes) else picture.read_bytes()
        shown = name or (picture.name if isinstance(picture, Path) else "picture")
        return str(self._ask("PUT", f"/pictures?name={urllib.parse.quote(shown)}", data)["id"])

    def order(
        self,
        craft: str,
        inputs: Mapping[str, Input | Sequence[Input]],
        settings: Mapping[str, Any] | None = None,
        *,
        preset: str | None = None,
        priority: int = 0,
        again: bool = False,
    ) -> Json:
        """Put a job into the queue; the very same one is found again, unless it is to be made again.

        Args:
            craft: its name.
            inputs: one or several for each of the craft's inputs; a `Path` is brought first.
            settings: by the names users know.
            preset: whose settings it begins with.
            priority: higher ones come first.
            again: whether to make it though it is there.
        Raises:
            Refusal: it makes no sense.
        """
        brought = {name: [self._id(each) for each in _several(given)] for name, given in inputs.items()}
        wanted = {"craft": craft, "inputs": brought, "settings": dict(settings or {}), "preset": preset}
        found: Json = self._ask("POST", "/jobs", {**wanted, "priority": priority, "again": again})
        return found

    def job(self, id: str) -> Json:
        """Look at a job: `state`, `progress`, `results`, `error` and more.

        Raises:
            Refusal: there is none of that id.
        """
        found: Json = self._ask("GET", f"/jobs/{id}")
        return found

    def jobs(self, *states: str) -> list[Json]:
        """List the jobs in some states, or in any."""
        query = urllib.parse.urlencode([("state", each) for each in states])
        found: list[Json] = self._ask("GET", f"/jobs?{query}")["jobs"]
        return found

    def cancel(self, id: str, *, keep: bool = False) -> Json:
        """Cancel a job, with its picture so far as the result where that is to be kept."""
        found: Json = self._ask("POST", f"/jobs/{id}/cancel", {"keep": keep})
        return found

    def pause(self, id: str) -> Json:
        """Pause a job."""
        found: Json = self._ask("POST", f"/jobs/{id}/pause")
        return found

    def retry(self, id: str) -> Json:
        """Go on with a job that is paused, failed or cancelled."""
        found: Json = self._ask("POST", f"/jobs/{id}/retry")
        return found

    def remove(self, id: str) -> None:
        """Delete a job with its results."""
        self._ask("DELETE", f"/jobs/{id}")

    def events(self, id: str | None = None, *, after: int = 0) -> Iterator[Json]:
        """Yield what happens to a job until it is over, or to all jobs from now on; each has `number` and `event`.

        Where the connection breaks, it is taken up again after the last event.

        Args:
            id: of the job; None: all of them.
            after: number of the last event that is known.
        """
        path, tries = "/events" if id is None else f"/jobs/{id}/events", 0
        while tries < _TRIES:
            try:
                with self._open("GET", f"{path}?after={after}", None) as answer:
                    for event in _parsed(answer):
                        after, tries = event["number"], 0
                        yield event
                if id is not None and self.job(id)["state"] in OVER:
                    return
            except (OSError, urllib.error.URLError):
                tries += 1
                time.sleep(0.2 * 2**tries)
        raise Refusal("the studio is gone; look whether it runs.", 503)

    def wait(self, id: str) -> Json:
        """Wait until a job is over; return it.

        Raises:
            Refusal: there is none of that id, or the studio is gone.
        """
        for _ in self.events(id):
            pass
        return self.job(id)

    def result(self, id: str) -> bytes:
        """Return the bytes of a result."""
        with self._open("GET", f"/results/{id}", None) as answer:
            return bytes(answer.read())

    def _id(self, given: Input) -> str:
        return self.bring(given) if isinstance(given, Path) else given

    def _ask(self, method: str, path: str, body: Json | bytes | None = None) -> Any:
        with self._open(method, path, body) as answer:
            said = answer.read()
        return json.loads(said) if said else None

    def _open(self, method: str, path: str, body: Json | bytes | None) -> IO[bytes]:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        if body is not None:
            headers["Content-Type"] = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(self._root + path, data, headers, method=method)
        try:
            answer: IO[bytes] = urllib.request.urlopen(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            raise _refusal(error) from None
        return answer


def _refusal(error: urllib.error.HTTPError) -> Refusal:
    with error:
        try:
            return Refusal(str(json.loads(error.read())["error"]), error.code)
        except (ValueError, KeyError, TypeError):
            return Refusal(f"the studio answered {error.code}.", error.code)


def _parsed(answer: IO[bytes]) -> Iterator[Json]:
    """Yield the events in a stream."""
    fields: dict[str, str] = {}
    for line in answer:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif "data" in fields:
            yield {**json.loads(fields["data"]), "number": int(fields["id"]), "event": fields["event"]}
            fields = {}


def _several(given: Input | Sequence[Input]) -> Sequence[Input]:
    return [given] if isinstance(given, str | Path) else given
