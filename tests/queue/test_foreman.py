"""Who gives out the jobs: workers die, hang, fill the disk and are asked to stop, and every job ends as it should."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reverie.errors import InUse
from reverie.queue import foreman as module
from reverie.queue.entries import Entry, Order, Plan, new_id
from reverie.queue.foreman import Foreman, only_one
from reverie.queue.home import Home
from reverie.queue.quota import Quota
from reverie.queue.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are other ones there")
STAND_IN = "tests.queue.stand_in_worker"


class Shop:
    """A queue with a foreman and a stand-in for its worker."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "the home").made()
        self.store = Store(self.home.journal)
        self.quota = Quota(self.home, self.store)
        self.foreman = self.hire()

    def hire(self) -> Foreman:
        return Foreman(self.home, self.store, self.quota, worker=STAND_IN)

    def add(self, **settings: Any) -> str:
        order, name = Order("dream", {}, settings), new_id()
        return self.store.add(order, Plan("x.png", True), title=name, fingerprint=name)[0]

    def until(self, id: str, is_so: Callable[[Entry], bool]) -> Entry:
        return until(lambda: self.store.get(id), is_so)

    def ends(self, id: str) -> Entry:
        return self.until(id, lambda entry: entry.state in ("done", "failed", "cancelled"))

    def result(self, id: str) -> str:
        (result,) = self.store.get(id).results
        return self.store.file(result, brought=False).path.read_text()


def until(look: Callable[[], Any], is_so: Callable[[Any], bool], seconds: float = 120.0) -> Any:
    """Wait until something is so; what was seen last."""
    end = time.monotonic() + seconds
    while not is_so(seen := look()) and time.monotonic() < end:
        time.sleep(0.01)
    assert is_so(seen), seen
    return seen


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setattr(module, "AGAIN", 0.1)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), *sys.path]))
    shop = Shop(tmp_path)
    with closing(shop.store):
        yield shop
        shop.foreman.close()


def test_jobs_are_done_in_their_order(shop: Shop) -> None:
    ids = [shop.add(steps=n) for n in (1, 2, 3)]
    shop.foreman.start()
    assert [shop.ends(id).state for id in ids] == ["done"] * 3
    begun = [e.job for e in shop.store.events(0) if e.data.get("state") == "running"]
    assert begun == ids
    assert shop.result(ids[2]) == 'step 3 of {"steps": 3}' and shop.store.get(ids[2]).progress == 1


def test_a_death_is_no_end(shop: Shop) -> None:
    """The job goes on where it was, and the next one comes after it."""
    first, second = shop.add(steps=6, die_at=3, deaths=2), shop.add()
    shop.foreman.start()
    assert (shop.ends(first).state, shop.ends(second).state) == ("done", "done")
    done = [e.job for e in shop.store.events(0) if e.data.get("state") == "done"]
    assert done == [first, second] and shop.result(first).startswith("step 6")


@pytest.mark.slow
def test_who_always_dies_at_one_step_has_failed(shop: Shop) -> None:
    bad, good = shop.add(steps=6, die_at=3, deaths=99), shop.add()
    shop.foreman.start()
    entry = shop.ends(bad)
    assert entry.state == "failed" and "died 5 times without a step between (exit code -9)" in str(entry.error)
    assert shop.ends(good).state == "done"


@pytest.mark.slow
def test_who_is_killed_again_and_again_goes_on_in_smaller_tiles(shop: Shop) -> None:
    id = shop.add(steps=6, die_at=3, deaths=99, smaller=256)
    shop.foreman.start()
    assert shop.ends(id).state == "done" and shop.store.get(id).tile == 256
    assert any("smaller tiles" in e.data.get("message", "") for e in shop.store.events(0, job=id))


def test_a_refusal_is_told(shop: Shop) -> None:
    id = shop.add(refused=True)
    shop.foreman.start()
    entry = shop.ends(id)
    assert (entry.state, entry.error) == ("failed", "it makes no sense")


@pytest.mark.parametrize(("wish", "state", "results"), [("cancel", "cancelled", 0), ("keep", "cancelled", 1)])
def test_cancelled_at_the_next_step(shop: Shop, wish: Any, state: str, results: int) -> None:
    id, after = shop.add(steps=10_000), shop.add()
    shop.foreman.start()
    shop.until(id, lambda entry: entry.progress > 0)
    assert shop.store.wish(id, wish)
    entry = shop.ends(id)
    assert (entry.state, len(entry.results)) == (state, results)
    assert shop.ends(after).state == "done", "the worker is as good as before"


def test_paused_and_gone_on_with(shop: Shop) -> None:
    id = shop.add(steps=60)
    shop.foreman.start()
    shop.until(id, lambda entry: entry.progress > 0)
    shop.store.wish(id, "pause")
    paused = shop.until(id, lambda entry: entry.state == "paused")
    assert 0 < paused.progress < 1 and paused.results == () and not (shop.home.job(id) / "x.png").exists()
    time.sleep(0.1)
    assert shop.store.move(id, "queued")
    assert shop.ends(id).state == "done" and shop.result(id).startswith("step 60")


def test_who_does_not_stop_is_killed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.2)
    id, after = shop.add(steps=10_000, hangs=True), shop.add()
    shop.foreman.start()
    shop.until(id, lambda entry: entry.progress > 0)
    shop.store.wish(id, "cancel")
    assert shop.ends(id).state == "cancelled" and shop.ends(after).state == "done"


def test_a_full_disk_is_a_pause(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "full").touch()
    id = shop.add(full=str(tmp_path / "full"))
    shop.foreman.start()
    entry = shop.until(id, lambda entry: entry.state == "paused")
    assert (entry.reason, entry.error) == ("disk", module.FULL), "in words that name no folder of this machine"
    (tmp_path / "full").unlink()
    assert shop.ends(id).state == "done"


def test_no_job_is_begun_on_a_full_disk(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [0]
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Disk", (), {"free": free[0], "total": 2**40}))
    id = shop.add()
    shop.foreman.start()
    time.sleep(0.5)
    assert shop.store.get(id).state == "queued"
    free[0] = 2**39
    assert shop.ends(id).state == "done"


def test_the_next_service_takes_up_what_the_last_one_left(shop: Shop) -> None:
    id = shop.add(steps=60)
    shop.foreman.start()
    shop.until(id, lambda entry: entry.progress > 0)
    worker = shop.foreman.worker
    shop.foreman.close()
    assert shop.store.get(id).state == "running"
    shop.foreman = shop.hire()
    shop.foreman.start()
    assert shop.ends(id).state == "done" and shop.result(id).startswith("step 60")
    assert shop.foreman.worker != worker


def test_a_wish_outlasts_the_service(shop: Shop) -> None:
    ids = [shop.add(steps=10_000) for _ in range(3)]
    for id, wish in zip(ids, ("cancel", "pause", None), strict=True):
        shop.store.move(id, "running")
        if wish:
            shop.store.wish(id, wish)  # type: ignore[arg-type]
    shop.store.set_fact("paused", True)
    shop.foreman.start()
    assert [shop.store.get(id).state for id in ids] == ["cancelled", "paused", "queued"]


def test_the_worker_ends_with_its_foreman(shop: Shop) -> None:
    """However that ends: a pipe tells."""
    id = shop.add(steps=10_000)
    shop.foreman.start()
    shop.until(id, lambda entry: entry.progress > 0)
    worker = shop.foreman.worker
    assert worker is not None
    child = shop.foreman._worker
    assert child is not None and child._process.stdin is not None
    child._process.stdin.close()
    until(lambda: shop.foreman.worker, lambda pid: pid != worker)


def test_a_fault_of_ours_ends_one_job(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(module, "_result", broken)
    id = shop.add()
    shop.foreman.start()
    entry = shop.ends(id)
    assert entry.state == "failed" and "a fault of Reverie's" in str(entry.error)
    monkeypatch.undo()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[2]), *sys.path]))
    after = shop.add()
    assert shop.ends(after).state == "done"


def test_one_foreman_for_a_queue(tmp_path: Path) -> None:
    home = Home(tmp_path).made()
    with only_one(home), pytest.raises(InUse, match="another studio works on"), only_one(home):
        pass
    with only_one(home):
        pass


def moved(before: float, entry: Entry) -> bool:
    return entry.state == "done" or entry.progress > before


@pytest.mark.slow
def test_killed_by_hand(shop: Shop) -> None:
    """Ten kills at any moment: the job has its end once."""
    id, kills = shop.add(steps=200), 0
    shop.foreman.start()
    while shop.store.get(id).state != "done" and kills < 10:
        before = shop.store.get(id).progress
        shop.until(id, partial(moved, before))
        if (worker := shop.foreman.worker) is not None:
            os.kill(worker, signal.SIGKILL)
            kills += 1
    assert kills == 10 and shop.ends(id).state == "done" and shop.result(id).startswith("step 200")
    assert [e.data["state"] for e in shop.store.events(0, job=id) if "state" in e.data].count("done") == 1
