"""Fetching, checking, converting and keeping weights, against a server on this machine."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from reverie.errors import ChecksumMismatch, WeightsError
from reverie.networks import digests, load, names
from reverie.networks import weights as store
from reverie.networks.fetch import Checkpoint, Progress, fetch
from reverie.networks.googlenet import googlenet
from reverie.networks.squeezenet import squeezenet1_1
from tests.networks.network_references import GoogLeNet, SqueezeNet

PICTURE = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))


@dataclass
class Server:
    """Serves one file; cuts each connection after ``cut_after`` bytes when that is set."""

    content: bytes
    cut_after: int | None = None
    knows_ranges: bool = True
    answer: int = 200
    address: str = ""
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], Server]]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running: list[ThreadingHTTPServer] = []

    def start(content: bytes) -> Server:
        server = Server(content)
        http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
        server.address = f"http://127.0.0.1:{http.server_address[1]}/squeezenet1_1.pth"
        threading.Thread(target=http.serve_forever, args=(0.01,)).start()
        running.append(http)
        return server

    yield start
    for http in running:
        http.shutdown()
        http.server_close()


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            server.asked.append(asked)
            found = re.fullmatch(r"bytes=(\d+)-", asked or "") if server.knows_ranges else None
            start = int(found[1]) if found else 0
            if server.answer != 200:
                self.send_error(server.answer)
            elif found and start >= len(server.content):
                self.send_error(416)
            else:
                self.send_response(206 if found else 200)
                self.send_header("Content-Length", str(len(server.content) - start))
                self.end_headers()
                end = None if server.cut_after is None else start + server.cut_after
                self.wfile.write(server.content[start:end])

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A checkpoint as PyTorch publishes them."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("published") / "squeezenet.pth"
    torch.save(SqueezeNet().state_dict(), path)
    return path.read_bytes()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("REVERIE_WEIGHTS", raising=False)
    return tmp_path / "home" / "weights"


def checkpoint_of(server: Server) -> Checkpoint:
    sha256 = hashlib.sha256(server.content).hexdigest()[:8]
    known = store.checkpoints()["squeezenet1_1"]
    return replace(known, address=server.address, sha256=sha256, bytes=len(server.content))


def fetched(checkpoint: Checkpoint, folder: Path) -> list[Progress]:
    folder.mkdir(exist_ok=True)
    return list(fetch(checkpoint, folder))


def test_every_published_file_is_fully_named() -> None:
    assert set(store.checkpoints()) == set(names()) - {"dreamnet"}
    for name, checkpoint in store.checkpoints().items():
        prefix = re.fullmatch(rf"{name}-([0-9a-f]{{8}})\.pth", checkpoint.file)
        assert prefix and checkpoint.sha256.startswith(prefix[1])
        assert re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", checkpoint.sha256)
        assert checkpoint.address.startswith("https://download.pytorch.org/models/")
        assert checkpoint.bytes > 1e6 and checkpoint.licence and checkpoint.keep


def test_a_download_reports_progress_and_appears_whole(
    serve: Callable[[bytes], Server], published: bytes, tmp_path: Path
) -> None:
    server = serve(published)
    progress = fetched(checkpoint_of(server), tmp_path / "in")
    assert progress[0] == Progress(0, len(published))
    assert progress[-1] == Progress(len(published), len(published))
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["squeezenet1_1.pth"]
    assert (tmp_path / "in" / "squeezenet1_1.pth").read_bytes() == published


def test_a_cut_connection_is_resumed(serve: Callable[[bytes], Server], published: bytes, tmp_path: Path) -> None:
    server = serve(published)
    server.cut_after = len(published) // 3 + 1
    fetched(checkpoint_of(server), tmp_path / "in")
    assert server.asked == [None, *(f"bytes={i * server.cut_after}-" for i in (1, 2))]
    assert (tmp_path / "in" / "squeezenet1_1.pth").read_bytes() == published


def test_an_abandoned_download_goes_on_where_it_stopped(
    serve: Callable[[bytes], Server], published: bytes, tmp_path: Path
) -> None:
    server, folder = serve(published), tmp_path / "in"
    folder.mkdir()
    for progress in fetch(checkpoint_of(server), folder):
        if progress.done:
            break
    part = folder / "squeezenet1_1.pth.part"
    kept = part.stat().st_size
    assert 0 < kept < len(published)
    fetched(checkpoint_of(server), folder)
    assert server.asked[1] == f"bytes={kept}-"
    assert not part.exists() and (folder / "squeezenet1_1.pth").read_bytes() == published


def test_a_server_without_ranges_starts_over(
    serve: Callable[[bytes], Server], published: bytes, tmp_path: Path
) -> None:
    server = serve(published)
    server.knows_ranges = False
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "squeezenet1_1.pth.part").write_bytes(b"left over")
    fetched(checkpoint_of(server), tmp_path / "in")
    assert (tmp_path / "in" / "squeezenet1_1.pth").read_bytes() == published


def test_a_whole_part_needs_no_more_bytes(serve: Callable[[bytes], Server], published: bytes, tmp_path: Path) -> None:
    server = serve(published)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "squeezenet1_1.pth.part").write_bytes(published)
    fetched(checkpoint_of(server), tmp_path / "in")
    assert (tmp_path / "in" / "squeezenet1_1.pth").read_bytes() == published


def test_wrong_bytes_are_removed(serve: Callable[[bytes], Server], tmp_path: Path) -> None:
    server = serve(b"something else")
    wrong = replace(checkpoint_of(server), sha256="00000000")
    with pytest.raises(ChecksumMismatch, match="must have sha256 00000000"):
        fetched(wrong, tmp_path / "in")
    assert not list((tmp_path / "in").iterdir())


@pytest.mark.parametrize("answer", [404, 503])
def test_a_refusal_says_how_to_work_offline(serve: Callable[[bytes], Server], tmp_path: Path, answer: int) -> None:
    server = serve(b"")
    server.answer = answer
    with pytest.raises(WeightsError, match=f"answered {answer}.*REVERIE_WEIGHTS") as caught:
        fetched(checkpoint_of(server), tmp_path / "in")
    assert "\n" not in str(caught.value)


def test_an_unreachable_host_says_how_to_work_offline(serve: Callable[[bytes], Server], tmp_path: Path) -> None:
    nowhere = replace(checkpoint_of(serve(b"")), address="http://127.0.0.1:9/squeezenet1_1.pth")
    with pytest.raises(WeightsError, match=r"cannot fetch .*REVERIE_WEIGHTS.*dreamnet") as caught:
        fetched(nowhere, tmp_path / "in")
    assert "\n" not in str(caught.value)


def test_a_connection_that_only_breaks_is_given_up(
    serve: Callable[[bytes], Server], published: bytes, tmp_path: Path
) -> None:
    server = serve(published)
    server.cut_after = 0
    with pytest.raises(WeightsError, match="cut off"):
        fetched(checkpoint_of(server), tmp_path / "in")


def test_obtained_weights_are_trimmed_and_kept(serve: Callable[[bytes], Server], published: bytes, home: Path) -> None:
    server, table = serve(published), squeezenet1_1()
    checkpoint = checkpoint_of(server)
    assert list(store.obtain(checkpoint, table))
    (kept,) = home.glob("*.safetensors")
    assert kept.stat().st_size < 0.51 * len(published) and not list(home.glob("*.pth*"))
    assert all(tensor.dtype == torch.float16 for tensor in load_file(kept).values())
    assert not list(store.obtain(checkpoint, table)) and len(server.asked) == 1
    weights = store.find(checkpoint, table)
    assert weights.sha256 == hashlib.sha256(kept.read_bytes()).hexdigest()


def test_several_at_once_fetch_once(serve: Callable[[bytes], Server], published: bytes, home: Path) -> None:
    server = serve(published)
    checkpoint = checkpoint_of(server)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(store.find(checkpoint, squeezenet1_1()).sha256)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 1 and len(found) == 3 and len(set(found)) == 1


def test_a_damaged_cache_is_noticed_and_repaired(
    serve: Callable[[bytes], Server], published: bytes, home: Path
) -> None:
    checkpoint = checkpoint_of(serve(published))
    store.find(checkpoint, squeezenet1_1())
    (kept,) = home.glob("*.safetensors")
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    with pytest.raises(ChecksumMismatch, match="run again"):
        store.find(checkpoint, squeezenet1_1())
    assert store.find(checkpoint, squeezenet1_1()).tensors


@pytest.mark.parametrize("suffix", [".safetensors", ".sha256"])
def test_half_a_cache_is_fetched_again(
    serve: Callable[[bytes], Server], published: bytes, home: Path, suffix: str
) -> None:
    checkpoint = checkpoint_of(serve(published))
    store.find(checkpoint, squeezenet1_1())
    (gone,) = home.glob(f"*{suffix}")
    gone.unlink()
    assert not store.is_cached(checkpoint)
    assert store.find(checkpoint, squeezenet1_1()).tensors and store.is_cached(checkpoint)


def as_legacy_pth(state: dict[str, Tensor], path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(
    ("file", "save"),
    [
        ("mine.pth", torch.save),
        ("old.pth", as_legacy_pth),
        ("mine.safetensors", save_file),
    ],
)
def test_a_custom_file_is_loaded(tmp_path: Path, file: str, save: Callable[[dict[str, Tensor], Path], None]) -> None:
    torch.manual_seed(1)
    module = SqueezeNet().eval()
    save(module.state_dict(), tmp_path / file)
    network = load("squeezenet1_1", weights=tmp_path / file)
    mean, std = torch.tensor([[485, 456, 406], [229, 224, 225]]).view(2, 3, 1, 1) / 1000
    with torch.no_grad():
        expected = module((PICTURE - mean) / std)
        logits = network(PICTURE, ["classes"])["classes"].mean((2, 3))
    torch.testing.assert_close(logits, expected, rtol=5e-3, atol=5e-3)
    again = load("squeezenet1_1", weights=tmp_path / file, padding="replicate")
    assert again.sha256 == network.sha256


def test_a_folder_named_in_the_environment_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVERIE_WEIGHTS", str(tmp_path))
    save_file(SqueezeNet().state_dict(), tmp_path / "squeezenet1_1.safetensors")
    assert load("squeezenet1_1").classes
    torch.save(SqueezeNet().state_dict(), tmp_path / "squeezenet1_1-b8a52dc0.pth")
    with pytest.raises(ChecksumMismatch, match="b8a52dc0"):
        load("squeezenet1_1")


def test_batch_norm_is_folded_and_the_rest_dropped(tmp_path: Path, home: Path) -> None:
    state = GoogLeNet().state_dict() | {"aux1.fc1.weight": torch.zeros(2000, 1000)}
    torch.save(state, tmp_path / "g.pth")
    load("googlenet", weights=tmp_path / "g.pth")
    (kept,) = home.glob("googlenet-*.safetensors")
    convolutions = sum(type(row.op).__name__ == "Conv" for row in googlenet().nodes)
    assert len(load_file(kept)) == 2 * convolutions


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    other, broken, empty = (tmp_path / n for n in ("other.pth", "broken.pth", "empty.safetensors"))
    torch.save(GoogLeNet().state_dict(), other)
    broken.write_bytes(b"no pickle at all")
    empty.write_bytes(b"")
    for path, message in (
        (other, "not of squeezenet1_1"),
        (broken, "not a readable .pth"),
        (empty, "not a readable .safetensors"),
        (tmp_path / "missing.pth", "there is no"),
    ):
        with pytest.raises(WeightsError, match=message) as caught:
            load("squeezenet1_1", weights=path)
        assert "\n" not in str(caught.value)


class Malicious:
    """Would run a command if it were unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("ran"),))  # type: ignore[return-value]


def test_nothing_in_a_stranger_s_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"features.0.weight": Malicious()}, tmp_path / "bad.pth")
    with pytest.raises(WeightsError, match=r"not a readable \.pth"):
        load("squeezenet1_1", weights=tmp_path / "bad.pth")
    assert not (tmp_path / "ran").exists()


def test_a_cache_that_cannot_be_made_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "file"))
    torch.save(SqueezeNet().state_dict(), tmp_path / "s.pth")
    with pytest.raises(WeightsError, match="REVERIE_HOME"):
        load("squeezenet1_1", weights=tmp_path / "s.pth")


def small_cache(serve: Callable[[bytes], Server], published: bytes, home: Path) -> tuple[Checkpoint, Path]:
    """Weights in the cache, and their file."""
    checkpoint = checkpoint_of(serve(published))
    store.find(checkpoint, squeezenet1_1())
    (kept,) = home.glob("*.safetensors")
    return checkpoint, kept


def test_a_lost_file_of_the_cache_is_fetched_again(
    serve: Callable[[bytes], Server], published: bytes, home: Path
) -> None:
    checkpoint, kept = small_cache(serve, published, home)
    kept.unlink()
    assert not store.is_cached(checkpoint)
    assert store.find(checkpoint, squeezenet1_1()).tensors and kept.exists()


@pytest.mark.parametrize("record", [b"\xff\xfe\x00" * 20, b"", b"x" * 5000])
def test_a_damaged_record_of_the_cache_is_repaired(
    serve: Callable[[bytes], Server], published: bytes, home: Path, record: bytes
) -> None:
    checkpoint, kept = small_cache(serve, published, home)
    kept.with_name(f"{kept.name}.sha256").write_bytes(record)
    with pytest.raises(ChecksumMismatch, match="run again"):
        store.find(checkpoint, squeezenet1_1())
    assert store.find(checkpoint, squeezenet1_1()).tensors


def test_a_file_is_hashed_again_only_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path := tmp_path / "a").write_bytes(b"one")
    read: list[Path] = []

    def hashed(path: Path) -> str:
        read.append(path)
        return hashlib.sha256(b"").hexdigest()

    monkeypatch.setattr(digests, "_hashed", hashed)
    digests.hash_file(path)
    digests.hash_file(path)
    assert len(read) == 2, "so soon after a change another might not show"
    monkeypatch.setattr(digests, "_SETTLED", -1.0)
    for _ in range(3):
        digests.hash_file(path)
    assert len(read) == 3
    path.write_bytes(b"two")
    digests.hash_file(path)
    assert len(read) == 4


def test_weights_of_another_shape_are_refused_before_they_are_worked_on(tmp_path: Path) -> None:
    state = SqueezeNet().state_dict()
    for key, value, message in (
        ("features.0.weight", torch.zeros(64, 3, 3, 5), r"is \(64, 3, 3, 5\), not \(64, 3, 3, 3\)"),
        ("features.0.bias", torch.zeros(1 << 16), r"'features.0.bias' is \(65536,\), not \(64,\)"),
        ("features.0.bias", torch.zeros(64, dtype=torch.int64), r"'features.0.bias' holds torch.int64"),
    ):
        save_file({**state, key: value}, tmp_path / "w.safetensors")
        with pytest.raises(WeightsError, match=message):
            load("squeezenet1_1", weights=tmp_path / "w.safetensors")


def test_a_file_that_is_no_dreamnet_is_refused(tmp_path: Path) -> None:
    for name, tensors in (("none", {"a": torch.zeros(1)}), ("odd", {"convx.weight": torch.zeros(1)})):
        save_file(tensors, tmp_path / f"{name}.safetensors")
        with pytest.raises(WeightsError, match=f"'{name}.safetensors' is not a dreamnet"):
            load("dreamnet", weights=tmp_path / f"{name}.safetensors")
