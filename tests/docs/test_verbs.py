"""What robots and images run are verbs that people have, too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def verbs() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / ".ci" / "run", ROOT / "Dockerfile"], ids=lambda path: path.name)
def test_every_verb_is_one_of_the_makefile(path: Path) -> None:
    run = re.findall(r"(?:run: |&& |RUN |^)make ([a-z][a-z-]*)", path.read_text(encoding="utf-8"), re.M)
    assert run and set(run) <= verbs()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_whole(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"linux", "elsewhere", "wheel", "site"} <= set(workflow["jobs"])
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] and job["runs-on"]
        assert all({"uses", "run"} & set(step) for step in job["steps"])
    scripts = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert all((ROOT / script).is_file() for script in scripts if script.startswith(".ci/"))
