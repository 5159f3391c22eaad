"""Joining a Ray cluster quietly: a new one on this machine, or one that is running already."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

from reverie.errors import RecipeError

LOOPBACK = "127.0.0.1"
PATIENCE = 5.0  # seconds for a cluster to answer
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anyone
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # actors without accelerators see what their machine shows
    "RAY_DEDUP_LOGS": "0",
}


def ray_module() -> Any:
    """Import Ray, when it is needed.

    Raises:
        RecipeError: it is not installed.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise RecipeError("a cluster needs Ray; install it with: pip install 'reverie-dream[cluster]'.") from None


def join(address: str, *, cpus: int | None = None) -> bool:
    """Join the cluster, unless this process has joined one already.

    Args:
        address: "local" starts one here, on the loopback address and without a dashboard; otherwise HOST:PORT of a
            running one.
        cpus: how many workers a local one may run at a time; this machine's cores by default.
    Returns:
        Whether this call joined, so that `leave` is the caller's to call.
    Raises:
        RecipeError: Ray is not installed, or there is no cluster at that address.
    """
    ray = ray_module()
    if ray.is_initialized():
        return False
    if address != "local":
        _check_reachable(address)
    here = {"num_cpus": cpus, "include_dashboard": False, "_node_ip_address": LOOPBACK} if address == "local" else {}
    with _own_signals(), _loopback_kept():
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **here)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            first = str(error).strip().split("\n")[0][:200] or type(error).__name__
            raise RecipeError(
                f"cannot join a Ray cluster at '{address}' ({first}); 'local' starts one on this machine."
            ) from None
    return True


def _check_reachable(address: str) -> None:
    """Refuse an unreachable address at once: Ray would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
    except (OSError, ValueError, OverflowError):
        raise RecipeError(
            f"a cluster is 'local' or the HOST:PORT of one that runs; nobody answers at '{address}'."
            " 'ray start --head' on a machine starts one and says where."
        ) from None


def check_room(workers: int, *, cpus: int, gpus: float = 0) -> None:
    """Refuse more workers than the cluster has room for: they would wait for ever.

    Args:
        workers: how many.
        cpus, gpus: of each.
    Raises:
        RecipeError: they are too many.
    """
    has = ray_module().cluster_resources()
    for kind, each in (("CPU", cpus), ("GPU", gpus)):
        if workers * each > has.get(kind, 0):
            raise RecipeError(
                f"{workers} workers of {each} {kind}s do not fit into a cluster of {has.get(kind, 0):g}; ask for fewer."
            )


def leave() -> None:
    """Leave the cluster; one that was started here ends."""
    with _own_signals():
        ray_module().shutdown()


@contextlib.contextmanager
def _loopback_kept() -> Iterator[None]:
    """Let Ray take the loopback address as it is: it would put the machine's own in its place, and listen to all."""
    services = importlib.import_module("ray._private.services")
    name = "resolve_ip_for_localhost"
    before = getattr(services, name, None)
    if before is None:
        yield
        return
    setattr(services, name, lambda host: host)
    try:
        yield
    finally:
        setattr(services, name, before)


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Put back the handlers of SIGTERM and SIGINT, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
