"""The error of a bake that failed, from the lines that buildx wrote; what needs an engine is in tests/lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from shiptasks.build.bake import build
from shiptasks.build.bakelog import Log, Text, Vertex
from shiptasks.build.baking import _failed
from shiptasks.build.engine import Engine
from shiptasks.build.plan import BuildPlan, plan
from shiptasks.build.progress import Tracker
from shiptasks.errors import UsageError
from shiptasks.run.events import Bus
from tests.build.sample import make_project, write_sources

EXCERPT = """\
Dockerfile:2
--------------------
   1 |     FROM scratch
   2 | >>> {line}
   3 |     
--------------------
ERROR: {error}
"""  # noqa: W291 - as buildx writes it


@pytest.fixture
def planned(tmp_path: Path) -> BuildPlan:
    write_sources(tmp_path)
    (tmp_path / "api" / "Dockerfile").write_text("FROM scratch\nFOO bar\n")
    return plan(make_project(tmp_path), "1.0.0", "")


def tracker(planned: BuildPlan, text: str) -> Tracker:
    made = Tracker(Bus(), [target.service for target in planned.targets], early=True)
    for line in text.splitlines():
        made.take(Text(line))
    return made


def test_a_failing_instruction_shows_place_excerpt_and_last_lines(planned: BuildPlan) -> None:
    text = EXCERPT.format(line="RUN make", error='failed to solve: process "make" did not complete')
    made = tracker(planned, text)
    made.take(Vertex("1", "[web 2/2] RUN make", started=True, completed=False))
    made.take(Log("1", "no rule to make target\n"))
    made.take(Vertex("1", "[web 2/2] RUN make", started=True, completed=True, error="process: exit code: 2"))
    error = _failed(planned, made, 1)
    assert error.what == "the image of web did not build: RUN make: exit code: 2"
    assert error.where == "docker/web.Dockerfile:2"
    assert error.hint == "correct it, then inv build --version=1.0.0"
    assert error.details == (
        "   1 |     FROM scratch",
        "   2 | >>> RUN make",
        "   3 |",
        "",
        "no rule to make target",
    )


def test_a_dockerfile_that_cannot_be_read_is_found_by_its_line(planned: BuildPlan) -> None:
    text = EXCERPT.format(
        line="FOO bar", error="failed to solve: dockerfile parse error on line 2: unknown instruction: FOO"
    )
    error = _failed(planned, tracker(planned, text), 1)
    assert error.what == "the image of api did not build: dockerfile parse error on line 2: unknown instruction: FOO"
    assert error.where == "api/Dockerfile:2"


def test_newer_buildx_names_the_target(planned: BuildPlan) -> None:
    error = _failed(planned, tracker(planned, "ERROR: target web: failed to solve: no space left on device"), 1)
    assert error.where == "docker/web.Dockerfile"
    assert error.what.startswith("the image of web did not build: ")


def test_without_a_word_the_exit_code_is_told(planned: BuildPlan) -> None:
    error = _failed(planned, tracker(planned, ""), 137)
    assert error.what == "the image of shop did not build: docker buildx bake ended with code 137"
    assert error.where == ""


def test_nothing_is_built_while_a_path_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no docker here: running anything would fail otherwise
    project = make_project(tmp_path)
    engine = Engine("26.1.5", "unix:///x", containerd_store=True, buildx=(0, 13), driver="docker")
    with pytest.raises(UsageError, match="4 paths to build from not found"):
        build(project, plan(project, "1.0.0", ""), engine, Bus())
    assert list(tmp_path.iterdir()) == []
