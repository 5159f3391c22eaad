"""The journal: every change is whole or not at all, nothing is lost, nothing is there twice."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reverie.errors import FileError, UnknownId
from reverie.queue.entries import Order, Plan, Stored, new_id
from reverie.queue.states import WAYS, State
from reverie.queue.store import STATES, THIN, Store

PLAN = Plan("cat-dream.png", True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "a folder" / "queue.db")) as store:
        yield store


def add(store: Store, name: str, *, priority: int = 0, again: bool = False) -> str:
    order = Order("dream", {"photo": ["x"]}, {"size": 64, "name": name})
    return store.add(order, PLAN, title=name, fingerprint=name, priority=priority, again=again)[0]


def brought_to(store: Store, state: State) -> str:
    """A new job in a state, by ways that are allowed."""
    id = add(store, new_id())
    ways: dict[State, tuple[State, ...]] = {
        "queued": (), "running": ("running",), "paused": ("paused",), "cancelled": ("cancelled",),
        "done": ("running", "done"), "failed": ("running", "failed"),
    }  # fmt: skip
    assert all(store.move(id, each) for each in ways[state])
    return id


@pytest.mark.parametrize(("first", "then"), list(itertools.product(STATES, STATES)))
def test_only_the_ways_between_states_are_open(store: Store, first: State, then: State) -> None:
    id = brought_to(store, first)
    before = store.last_event
    assert store.move(id, then) is (then in WAYS[first])
    assert store.get(id).state == (then if then in WAYS[first] else first)
    assert (store.last_event > before) is (then in WAYS[first])


def test_a_job_is_what_was_ordered(store: Store) -> None:
    order = Order("style", {"photo": ["a"], "painting": ["b", "mosaic"]}, {"strength": 1.5, "名": "猫"}, "night-oil")
    plan = Plan("x.png", False, ("photos",), ("mosaic",), (("cat.jpg", "a"),))
    id, new = store.add(order, plan, title="猫", fingerprint="f")
    entry = store.get(id)
    assert new and (entry.order, entry.plan, entry.title) == (order, plan, "猫")
    with pytest.raises(UnknownId, match="there is no job"):
        store.get("nobody")


def test_the_same_is_not_made_twice(store: Store) -> None:
    first = add(store, "a")
    assert add(store, "a") == first != add(store, "a", again=True)
    store.move(first, "running")
    assert add(store, "a") == first
    store.move(first, "failed")
    second = add(store, "b")
    store.move(second, "cancelled")
    assert add(store, "b") != second


def test_many_at_once_add_one(tmp_path: Path) -> None:
    """Threads of one process, and connections of others."""
    found: list[str] = []

    def order() -> None:
        with closing(Store(tmp_path / "queue.db")) as mine:
            found.append(add(mine, "same"))

    Store(tmp_path / "queue.db").close()
    threads = [threading.Thread(target=order) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12 and len(set(found)) == 1


def test_one_of_many_begins_a_job(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "queue.db")) as store:
        id, begun = add(store, "a"), list[bool]()
        threads = [threading.Thread(target=lambda: begun.append(store.move(id, "running"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(begun) == [False] * 7 + [True]


def test_order_priority_and_place(store: Store) -> None:
    a, b, c = (add(store, name) for name in "abc")
    urgent = add(store, "d", priority=5)

    def waiting() -> list[str]:
        return [entry.id for entry in store.jobs(states=["queued"])]

    assert waiting() == [urgent, a, b, c]
    store.place(c, a)
    assert waiting() == [urgent, c, a, b]
    store.place(c, b)
    assert waiting() == [urgent, a, c, b]
    store.place(a, None)
    assert waiting() == [urgent, c, b, a]
    store.place(a, urgent)
    assert waiting() == [a, urgent, c, b]
    following = store.following()
    assert following is not None and following.id == a


def test_a_paused_queue_leaves_its_jobs_as_they_are(store: Store) -> None:
    running, waiting = brought_to(store, "running"), add(store, "a")
    store.set_fact("paused", True)
    assert store.following() is None
    assert (store.get(running).state, store.get(waiting).state) == ("running", "queued")
    store.set_fact("paused", False)
    assert (found := store.following()) is not None and found.id == waiting


def test_cancelling_one_that_waits_leaves_the_one_that_runs(store: Store) -> None:
    running, waiting = brought_to(store, "running"), add(store, "a")
    assert not store.wish(waiting, "cancel") and store.move(waiting, "cancelled")
    assert store.get(running).wish is None and store.get(running).state == "running"


def test_what_runs_is_not_removed(store: Store) -> None:
    running = brought_to(store, "running")
    assert not store.remove(running) and store.get(running).state == "running"
    done = brought_to(store, "done")
    assert store.remove(done)
    assert store.events(0, job=done) == [] and store.events(0)[-1].data == {"removed": done}


def result(job: str, path: Path) -> Stored:
    return Stored(new_id(), path.name, "0" * 64, 3, 4, 5, None, job, path)


def test_an_end_comes_once(store: Store, tmp_path: Path) -> None:
    id = brought_to(store, "running")
    assert store.finish(id, [result(id, tmp_path / "a.png")], "done", progress=1.0)
    assert not store.finish(id, [result(id, tmp_path / "b.png")], "done", progress=1.0)
    entry = store.get(id)
    assert len(entry.results) == 1 and store.file(entry.results[0], brought=False).name == "a.png"
    assert [event.data["state"] for event in store.events(0, job=id) if event.kind == "state"].count("done") == 1


def test_nothing_of_a_change_that_fails(store: Store, tmp_path: Path) -> None:
    id, twice = brought_to(store, "running"), result("x", tmp_path / "a.png")
    before = store.last_event
    with pytest.raises(Exception, match=r"FOREIGN KEY|UNIQUE"):
        store.finish(id, [twice, twice], "done")
    assert store.get(id).state == "running" and store.last_event == before and store.get(id).results == ()


def test_events_are_numbered_and_thinned_in_the_end(store: Store) -> None:
    id, other = brought_to(store, "running"), add(store, "other")
    for step in range(1, 1001):
        store.stepped(id, {"progress": step / 1000, "place": f"step {step}", "preview": None})
    store.say(other, "message", {"message": "hello"})
    numbers = [event.number for event in store.events(0, most=5000)]
    assert numbers == sorted(set(numbers))
    store.finish(id, [], "done")
    steps = [event for event in store.events(0, job=id, most=5000) if event.kind == "progress"]
    assert THIN / 2 <= len(steps) <= THIN + 1 and steps[-1].data["progress"] == 1
    assert {event.job for event in store.events(0, job=other)} == {other}


def test_search_takes_every_word_as_it_is(store: Store) -> None:
    first, second = add(store, "100 % Cat's"), add(store, "dog_1")
    found = {
        words: [each.id for each in store.jobs(search=words)] for words in ("cat's", "CAT %", "_", "dream 64", "x'y")
    }
    assert found == {"cat's": [first], "CAT %": [first], "_": [second], "dream 64": [first, second], "x'y": []}


def test_a_clock_that_is_set_back_changes_no_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = add(store, "a")
    monkeypatch.setattr(time, "time", lambda: -1e9)
    second = add(store, "b")
    monkeypatch.setattr(time, "time", lambda: 1e12)
    third = add(store, "c")
    assert [each.id for each in store.jobs()] == [first, second, third]
    assert [e.job for e in store.events(0)] == [first, second, third]


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "queue.db").write_bytes(b"something else altogether" * 100)
    with pytest.raises(FileError, match="cannot use the database"):
        Store(tmp_path / "queue.db")


WRITER = """
import sys
from pathlib import Path
from reverie.queue.entries import Order, Plan
from reverie.queue.store import Store
store = Store(Path(sys.argv[1]))
for number in range(100000):
    name = f"{sys.argv[2]}-{number}"
    id, _ = store.add(Order("dream", {}, {}), Plan("x.png", True), title=name, fingerprint=name)
    store.move(id, "running")
    store.finish(id, [], "done")
    print(id, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are other ones there")
def test_what_was_promised_outlasts_a_kill(tmp_path: Path) -> None:
    """Two writers killed in the midst: what each said is there, once, and the rest is whole."""
    path = tmp_path / "queue.db"
    Store(path).close()
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, str(n)], stdout=subprocess.PIPE) for n in range(2)]
    said: list[str] = []
    for writer in writers:
        assert writer.stdout is not None
        said += [writer.stdout.readline().decode().strip() for _ in range(5)]
    for writer in writers:
        os.kill(writer.pid, signal.SIGKILL)
        assert writer.stdout is not None
        said += [line.decode().strip() for line in writer.stdout if line.endswith(b"\n")]
        writer.stdout.close()
        writer.wait()
    with closing(Store(path)) as store:
        entries = store.jobs(most=10**6)
        assert store.database.rows("PRAGMA integrity_check")[0][0] == "ok"
        assert set(said) <= {entry.id for entry in entries if entry.state == "done"}
        assert len({entry.id for entry in entries}) == len(entries)
        ends = [str(event.job) for event in store.events(0, most=10**6) if event.data.get("state") == "done"]
        assert sorted(ends) == sorted(entry.id for entry in entries if entry.state == "done" and entry.id)
