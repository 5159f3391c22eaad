"""The guard at the door: who may ask, from which page, and what every answer says to the browser.

The studio trusts whoever sits at this machine, and nobody else. A page from elsewhere that runs in their browser is
somebody else: it may send requests here, by this machine's address or, after rebinding a name of its own, by that name.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "reverie-token"
MOST_JSON = 2**20
"""Most bytes of a request's body, other than a picture."""
PICTURES = "/api/pictures"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:;"
    " connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
"""What a page of ours may load: only what comes from here, and no script within it."""
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}
_READING = ("GET", "HEAD")
_OURS = ("same-origin", "none")
"""What a browser says of requests that a page of ours, or its user, makes."""


class Refused(HTTPException):
    """A request that is not answered, with a code and one sentence."""


@dataclass(frozen=True)
class Rules:
    """Who may ask.

    Attributes:
        names: of hosts by which this machine may be addressed, in lower case, without a port.
        token: what everybody must show who is not on this machine; empty where nobody else can reach it.
    """

    names: frozenset[str] = frozenset({"localhost"})
    token: str = ""

    def check(self, scope: Scope) -> None:
        """Refuse a request that may not be answered.

        Raises:
            Refused: it names another host, comes from another site's page, or shows no token.
        """
        headers = Headers(scope=scope)
        self._check_host(headers.getlist("host"))
        self._check_site(scope["method"], headers)
        _check_body(scope, headers)
        shown = bool(self.token) and self._shown(scope, headers)
        scope["shown"] = shown
        if self.token and not _is_here(scope) and not shown:
            raise Refused(401, "this studio asks for its token; open the address that it printed when it began.")

    def _check_host(self, hosts: list[str]) -> None:
        """Refuse names that are not this machine's: a page elsewhere may have rebound its own name to it."""
        name = _name_of(hosts[0]) if len(hosts) == 1 else None
        if name is None or not (name in self.names or (_is_address(name) if self.token else _is_loopback(name))):
            raise Refused(421, "the studio is not called that; use the address that it printed when it began.")

    def _check_site(self, method: str, headers: Headers) -> None:
        """Refuse what another site's page sends, whatever it says it is."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        foreign = origin is not None and (urlsplit(origin).netloc.lower() != headers["host"].lower())
        opened = method in _READING and headers.get("sec-fetch-mode") == "navigate"
        if foreign or (site is not None and site not in _OURS and not opened):
            raise Refused(403, "requests from pages of other sites are not answered; use the studio's own page.")

    def _shown(self, scope: Scope, headers: Headers) -> bool:
        """Whether the request shows the token: as a bearer, in its cookie, or in the address that was printed."""
        query = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        return any(
            hmac.compare_digest(each.encode(), self.token.encode()) for each in (bearer, _cookie(headers), *query)
        )


def _check_body(scope: Scope, headers: Headers) -> None:
    """Refuse bodies that forms of other sites can send, and ones that are too long."""
    if scope["method"] in _READING or scope["path"].startswith(PICTURES):
        return
    length, kind = headers.get("content-length", "0"), headers.get("content-type", "").partition(";")[0].strip().lower()
    empty = length == "0" and "transfer-encoding" not in headers
    if not empty and kind != "application/json":
        raise Refused(415, "a request's body is JSON, and its Content-Type says so: application/json.")
    if not length.isdecimal() or int(length) > MOST_JSON:
        raise Refused(413, f"a request's body has at most {MOST_JSON} bytes.")


class Guard:
    """The guard, around an application.

    Args:
        app: what it guards.
        rules: who may ask.
    """

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._added(scope)]
            await send(message)

        try:
            self._rules.check(scope)
            await self._app(scope, _limited(scope, receive), answered)
        except Refused as error:
            await _refuse(error, answered)

    def _added(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
        if scope.get("shown") and b"token=" in scope["query_string"]:
            cookie = f"{COOKIE}={self._rules.token}; HttpOnly; SameSite=Strict; Path=/"
            added.append((b"set-cookie", cookie.encode()))
        return added


def _limited(scope: Scope, receive: Receive) -> Receive:
    """Count the bytes of a body that is no picture, whatever its headers say of its length."""
    if scope["path"].startswith(PICTURES):
        return receive
    count = 0

    async def counted() -> Message:
        nonlocal count
        message = await receive()
        count += len(message.get("body", b""))
        if count > MOST_JSON:
            raise Refused(413, f"a request's body has at most {MOST_JSON} bytes.")
        return message

    return counted


async def _refuse(error: Refused, send: Send) -> None:
    body = json.dumps({"error": error.detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": error.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _name_of(host: str) -> str | None:
    """The name in a Host header, in lower case, without its port; None where it is no such header."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname if parts.netloc == host and "@" not in host else None


def _is_address(name: str) -> bool:
    """Whether it is an address in figures, which nobody can rebind."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return _is_address(name) and ipaddress.ip_address(name).is_loopback


def _is_here(scope: Scope) -> bool:
    """Whether a request comes from this machine itself."""
    client: Any = scope.get("client")
    return bool(client) and _is_loopback(client[0])


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
