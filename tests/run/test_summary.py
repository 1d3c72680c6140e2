from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shiptasks.config.model import Project
from shiptasks.errors import Failed
from shiptasks.run.events import Bus
from shiptasks.run.run import start
from shiptasks.run.secrets import Secrets
from shiptasks.run.summary import NAME, SummaryFile
from tests.run.recorded import SECRET, begun, ended


def recorded(folder: Path) -> dict[str, Any]:
    bus = Bus(SummaryFile(folder), secrets=Secrets())
    bus.secrets.add(SECRET)
    for event in (*begun(), *ended()):
        bus.emit(event)
    told: dict[str, Any] = json.loads((folder / NAME).read_text())
    return told


def test_it_has_the_run_and_every_step(tmp_path: Path) -> None:
    told = recorded(tmp_path)
    steps = told.pop("steps")
    assert told == {
        "schema": 1,
        "run": "20261121T081320Z-3f9ac1",
        "task": "check",
        "project": "shop",
        "environment": None,
        "version": None,
        "outcome": "failed",
        "exit_code": 1,
        "started": 1_795_250_000.0,
        "finished": 1_795_250_005.2,
        "seconds": 5.2,
        "summary": "4 of 7 passed",
        "error": {
            "what": "3 of 7 checks failed: lint ruff, lint mypy, test unit",
            "where": "",
            "now": "",
            "next": "inv check --only=lint.ruff,lint.mypy,test.unit",
        },
    }
    assert [(step["id"], step["outcome"]) for step in steps] == [
        ("lint.ruff", "failed"),
        ("lint.mypy", "failed"),
        ("test.unit", "failed"),
        ("lint.yamllint", "warned"),
        ("lint.format", "cached"),
        ("test.web", "ok"),
        ("test.integration", "skipped"),
    ]
    assert steps[3] == {
        "id": "lint.yamllint",
        "title": "lint yamllint",
        "stage": "lint",
        "host": None,
        "service": None,
        "outcome": "warned",
        "started": 1_795_250_000.0,
        "seconds": 0.3,
        "detail": "1 finding",
        "alone": "inv check --only=lint.yamllint",
        "findings": [
            {
                "tool": "yamllint",
                "file": "deploy/a.yml",
                "line": 1,
                "column": None,
                "rule": "document-start",
                "message": 'missing "---"',
                "severity": "low",
                "blocking": False,
            }
        ],
    }


def test_it_is_whole_or_not_there_and_for_the_owner_only(tmp_path: Path) -> None:
    recorded(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (None, "ok", 0),
        (Failed("no"), "failed", 1),
        (KeyboardInterrupt(), "interrupted", 130),
        (KeyError(), "failed", 1),
    ],
)
def test_every_run_has_one_however_it_ends(
    tmp_path: Path, error: BaseException | None, outcome: str, code: int
) -> None:
    project = Project(project="shop")
    project._root = tmp_path

    def body() -> None:
        with start(project, "check"):
            if error is not None:
                raise error

    if error is None:
        body()
    else:
        with pytest.raises(Exception):  # noqa: B017, PT011 - each kind has its own
            body()
    (path,) = (tmp_path / ".shiptasks" / "runs").glob(f"*/{NAME}")
    told = json.loads(path.read_text())
    assert (told["outcome"], told["exit_code"], told["task"]) == (outcome, code, "check")


def test_a_step_that_did_not_end_has_no_outcome(tmp_path: Path) -> None:
    bus = Bus(SummaryFile(tmp_path))
    for event in (*begun(), ended()[-1]):
        bus.emit(event)
    steps = json.loads((tmp_path / NAME).read_text())["steps"]
    assert {(step["outcome"], step["seconds"]) for step in steps} == {(None, None)}
