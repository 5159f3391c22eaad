"""Who may ask, from where: the holes that others had, each as a test.

DNS rebinding (ComfyUI #12860, #14085), posts from other sites (ComfyUI #4850), content that is sniffed and SVG with
script (GHSA-779p-m5rp-r4h4), paths in names (A1111 #12822), files without end, addresses to fetch (gradio #6794).
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from reverie.queue.desk import plain_name
from reverie.studio.guard import COOKIE, HEADERS, MOST_JSON, Refused, Rules
from tests.studio.conftest import Studio, png, served

TOKEN = "a-token-of-this-start"


def request(
    studio: Studio, method: str, path: str, body: bytes | None = None, /, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Code, headers and body of an answer; a header's underscores are hyphens."""
    connection = http.client.HTTPConnection(studio.url.removeprefix("http://"), timeout=20)
    connection.putrequest(method, path, skip_host="Host" in headers)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None and "Content-Length" not in named:
        named["Content-Length"] = str(len(body))
    for name, value in named.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return found


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("127.0.0.1:{port}", 200), ("localhost:{port}", 200), ("LOCALHOST", 200), ("[::1]:{port}", 200),
        ("evil.example", 421), ("evil.example:{port}", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil", 421),
        ("192.168.1.7:{port}", 421), ("user@localhost", 421), ("localhost:x", 421), ("", 421), ("localhost/../x", 421),
        ("0.0.0.0:{port}", 421), ("[::ffff:1.2.3.4]", 421),
    ],
)  # fmt: skip
def test_only_this_machines_names_are_answered(studio: Studio, host: str, code: int) -> None:
    port = studio.url.rpartition(":")[2]
    assert request(studio, "GET", "/api/queue", Host=host.format(port=port))[0] == code


def test_rebinding_with_a_matching_origin_is_refused(studio: Studio) -> None:
    evil = "evil.example:80"
    found = request(studio, "POST", "/api/queue/pause", b"", Host=evil, Origin=f"http://{evil}")
    assert found[0] == 421 and not studio.service.desk.store.fact("paused")


def test_two_host_headers_are_refused(studio: Studio) -> None:
    port = int(studio.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(
            f"GET /api/queue HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil\r\nConnection: close\r\n\r\n".encode()
        )
        said = b"".join(iter(lambda: line.recv(4096), b""))
    assert re.match(rb"HTTP/1.1 4\d\d", said)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "https://127.0.0.1.evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/queue/pause"), ("PUT", "/api/pictures"), ("GET", "/api/jobs")]
)
def test_pages_of_other_sites_are_refused(studio: Studio, method: str, path: str, headers: dict[str, str]) -> None:
    body = None if method == "GET" else png() if method == "PUT" else b""
    code, _, said = request(studio, method, path, body, **headers)
    assert code == 403 and b"other sites" in said
    assert not studio.service.desk.store.fact("paused")


def test_the_own_page_and_a_link_to_it_are_answered(studio: Studio) -> None:
    own = {"Origin": studio.url, "Sec_Fetch_Site": "same-origin"}
    assert request(studio, "POST", "/api/queue/resume", b"", **own)[0] == 200
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert request(studio, "GET", "/", **link)[0] == 200
    assert request(studio, "POST", "/api/queue/resume", b"", **link)[0] == 403


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_what_forms_can_send_is_no_request(studio: Studio, kind: str) -> None:
    body = json.dumps({"craft": "dream"}).encode()
    assert request(studio, "POST", "/api/jobs", body, Content_Type=kind)[0] == 415


def test_bodies_end(studio: Studio) -> None:
    json_ = {"Content_Type": "application/json"}
    assert request(studio, "POST", "/api/jobs", b"{}", Content_Length=str(MOST_JSON + 1), **json_)[0] == 413
    connection = http.client.HTTPConnection(studio.url.removeprefix("http://"), timeout=20)
    parts = (b" " * 65536 for _ in range(2 * MOST_JSON // 65536))
    connection.request("POST", "/api/jobs", parts, {"Content-Type": "application/json"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize("path", ["/", "/api/jobs", "/api/nothing", "/nothing", "/api/styles/mosaic/small"])
def test_every_answer_says_what_a_browser_may_do(studio: Studio, path: str) -> None:
    _, headers, _ = request(studio, "GET", path)
    assert {name: headers.get(name.lower()) for name in HEADERS} == dict(HEADERS)
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy and "http" not in policy and "default-src 'none'" in policy
    assert "access-control-allow-origin" not in headers and "server" not in headers


def test_a_refusal_says_so_too(studio: Studio) -> None:
    _, headers, _ = request(studio, "GET", "/", Host="evil.example")
    assert headers["x-content-type-options"] == "nosniff"


WALKS = [
    "/../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd", "//etc/passwd",
    "/api/results/..%2f..%2fqueue.db", "/api/pictures/%2e%2e%2fqueue.db/file", "/api/styles/..%2f..%2fversion/small",
    "/api/jobs/..%2f..%2fx/preview", "/api/results/%00", "/..%5c..%5cqueue.db", "/../app.py", "/%2e%2e/app.py",
]  # fmt: skip


@pytest.mark.parametrize("path", WALKS)
def test_no_path_leads_out(studio: Studio, path: str) -> None:
    code, _, said = request(studio, "GET", path)
    assert code in (400, 404) and b"root:" not in said and b"SQLite" not in said and b"import" not in said


def test_no_link_leads_out(studio: Studio, tmp_path: Path) -> None:
    """A result that has become a link to elsewhere (ComfyUI #12285) is no plain file any more."""
    (tmp_path / "secret").write_text("secret")
    id = studio.client.bring(png(3, 3))
    path = studio.service.desk.home.picture(id)
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    code, _, said = request(studio, "GET", f"/api/pictures/{id}/file")
    assert code == 404 and said != b"secret"


@pytest.mark.parametrize(
    "value", ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/", "../queue.db", "~/x", "noise", ""]
)
@pytest.mark.parametrize("craft", ["dream", "style", "instant", "upscale"])
def test_no_input_is_a_path_or_an_address(studio: Studio, craft: str, value: str) -> None:
    body = {"craft": craft, "inputs": {"photo": value, "painting": [value]}}
    code, _, said = request(studio, "POST", "/api/jobs", json.dumps(body).encode(), Content_Type="application/json")
    assert (code == 400 and b"give the id of a picture" in said) or b"takes no" in said


def test_no_setting_of_any_craft_names_a_file(studio: Studio) -> None:
    """A setting that is a text is one of few words, a number in words, or the name of something known."""
    known = {"network", "memory", "class", "layer", "device", "device_memory", "grid_layer", "as", "judge"}
    for craft in studio.client.crafts():
        for each in craft["settings"]:
            if each["type"] == "text":
                words = f"{craft['name']}: {each['name']}"
                assert each["name"] in known, f"{words} is a text; see that it cannot name a file, and list it here"


NUMPY = b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,)}" + bytes(99)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    "body",
    [SVG, b"\xef\xbb\xbf" + SVG, b"<!doctype html><script>alert(1)</script>", b"%PDF-1.7", b"GIF89a" + SVG,
     b"\x89PNG" + SVG, b"BM" + SVG, NUMPY],
)  # fmt: skip
def test_only_pictures_are_taken(studio: Studio, body: bytes) -> None:
    before = studio.service.desk.store.files(brought=True)
    assert request(studio, "PUT", "/api/pictures?name=a.svg", body)[0] == 400
    assert studio.service.desk.store.files(brought=True) == before


def test_what_is_sent_is_named_by_its_content(studio: Studio) -> None:
    """A picture that calls itself a page is sent as a picture."""
    id = studio.client.bring(png(5, 4), "page.html")
    _, headers, _ = request(studio, "GET", f"/api/pictures/{id}/file")
    assert headers["content-type"] == "image/png" and "page.png" in headers["content-disposition"]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("../../x.png", "x.png"), ("C:\\x\\y.png", "y.png"), ("\x1b[31m\n.png", "31m.png"),
        ("a" * 5000, "a" * 60 + ".png"),
        ("", "picture.png"), ("...", "picture.png"), (".bashrc", "bashrc.png"), ("con\0.png", "con.png"),
        ("<img src=x onerror=alert(1)>.png", "img src-x onerror-alert(1).png"), ("猫.jpg", "猫.png"),
        ("-rf.png", "rf.png"),
        ("\u202egnp.exe", "gnp.png"), ('"; drop.png', "drop.png"),
    ],
)  # fmt: skip
def test_names_are_made_plain(name: str, plain: str) -> None:
    assert plain_name(name, ".png") == plain


# --- shared on a network -------------------------------------------------------------------------


def scope(client: str, query: str = "", **headers: str) -> dict[str, Any]:
    named = {"host": "192.168.1.5:7860", **headers}
    return {
        "type": "http", "method": "GET", "path": "/api/jobs", "client": (client, 1), "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()],
    }  # fmt: skip


SHARED = Rules(frozenset({"localhost", "studio.local"}), TOKEN)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (scope("192.168.1.9"), 401),
        (scope("192.168.1.9", "token=wrong"), 401),
        (scope("192.168.1.9", "token="), 401),
        (scope("192.168.1.9", authorization="Bearer wrong"), 401),
        (scope("192.168.1.9", cookie=f"{COOKIE}=wrong"), 401),
        (scope("192.168.1.9", x_forwarded_for="127.0.0.1"), 401),
        (scope("192.168.1.9", f"token={TOKEN}"), 0),
        (scope("192.168.1.9", authorization=f"Bearer {TOKEN}"), 0),
        (scope("192.168.1.9", cookie=f"{COOKIE}={TOKEN}"), 0),
        (scope("127.0.0.1"), 0),
        (scope("192.168.1.9", f"token={TOKEN}", host="evil.example"), 421),
        (scope("192.168.1.9", f"token={TOKEN}", host="studio.local:7860"), 0),
        (scope("192.168.1.9", f"token={TOKEN}", origin="http://evil.example"), 403),
    ],
)
def test_others_show_the_token(wanted: dict[str, Any], code: int) -> None:
    if not code:
        SHARED.check(wanted)
        return
    with pytest.raises(Refused) as refused:
        SHARED.check(wanted)
    assert refused.value.status_code == code


def test_the_token_becomes_a_cookie_that_no_script_reads(tmp_path: Path) -> None:
    with served(tmp_path, SHARED) as studio:
        _, headers, _ = request(studio, "GET", f"/?token={TOKEN}")
        assert re.fullmatch(rf"{COOKIE}={TOKEN}; HttpOnly; SameSite=Strict; Path=/", headers["set-cookie"])
        assert "set-cookie" not in request(studio, "GET", "/?token=wrong")[1]
        assert "set-cookie" not in request(studio, "GET", "/", Host=f"evil.example?token={TOKEN}")[1]


def test_the_studio_listens_to_this_machine_alone() -> None:
    from reverie.studio.serve import Door, listening

    with listening(Door(0)) as alone, listening(Door(0, shared=True)) as shared:
        assert (alone.getsockname()[0], shared.getsockname()[0]) == ("127.0.0.1", "0.0.0.0")
