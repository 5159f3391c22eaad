"""The description of the service keeps its word: requests made from it, sound and unsound, are answered as it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.studio.conftest import Studio, png, served

schemathesis = pytest.importorskip("schemathesis")
STREAMS = ("/api/events", "/api/jobs/{id}/events")
"""Which have no end; they have tests of their own."""


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio whose queue is paused, with a picture and a job."""
    with served(tmp_path_factory.mktemp("schema")) as studio:
        studio.service.desk.pause_all(True)
        studio.client.order("dream", {"photo": studio.client.bring(png())}, {"size": 64})
        yield studio


def operations(studio: Studio) -> dict[str, Any]:
    """Every operation that is described, by its method and path."""
    found = schemathesis.openapi.from_url(f"{studio.url}/api/openapi.json").get_all_operations()
    every = [each.ok() for each in found]
    return {f"{each.method.upper()} {each.path}": each for each in every if each.path not in STREAMS}


def check(studio: Studio, examples: int) -> None:
    for name, operation in operations(studio).items():
        asking(name, operation, examples)()
        if name.startswith("POST /api/queue"):
            studio.service.desk.pause_all(True)


def asking(name: str, operation: Any, examples: int) -> Callable[[], None]:
    """Ask for so many examples of an operation."""

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), deadline=None)
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        answer = case.call(timeout=20)
        assert answer.status_code < 500, (name, answer.text)
        if answer.status_code >= 400:
            assert list(answer.json()) == ["error"] and answer.json()["error"].strip(), (name, answer.text)
        case.validate_response(answer, excluded_checks=EXCLUDED)

    return ask


checks = pytest.importorskip("schemathesis.specs.openapi.checks")
EXCLUDED = [checks.positive_data_acceptance, checks.unsupported_method]
"""Sound by their form, requests may still be refused: for an id that nobody has, or settings that make no sense."""


@pytest.mark.slow
def test_requests_made_from_the_description(quiet: Studio) -> None:
    check(quiet, 30)


def test_everything_is_described(quiet: Studio) -> None:
    """Each operation has words, and each answer in JSON a type."""
    described = schemathesis.openapi.from_url(f"{quiet.url}/api/openapi.json").raw_schema
    for path, ways in described["paths"].items():
        for method, about in ways.items():
            assert about.get("description"), (method, path)
            for code, answer in about["responses"].items():
                kinds = answer.get("content", {})
                assert code == "204" or all(kind.get("schema") for kind in kinds.values()), (method, path, code)
    assert Path(described["info"]["title"]).name == "Reverie studio"
