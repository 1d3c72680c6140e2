from __future__ import annotations

from pathlib import Path

import pytest

from shiptasks.check.plan import plan
from shiptasks.check.run import _meaningful
from shiptasks.config.model import Project
from shiptasks.errors import UsageError


def project(**tables: dict[str, str]) -> Project:
    made = Project(project="shop", **tables)  # type: ignore[arg-type]
    made._root = Path("/repo")
    return made


def test_lint_then_test_in_the_order_of_the_file() -> None:
    commands = plan(project(test={"unit": "pytest -q"}, lint={"ruff": "ruff check .", "mypy": "mypy | cat"}))
    assert [command.title for command in commands] == ["lint ruff", "lint mypy", "test unit"]
    assert commands[0].argv == ("ruff", "check", ".")
    assert commands[1].argv == ("bash", "-o", "pipefail", "-c", "mypy | cat")
    assert commands[1].text == "mypy | cat"
    assert {command.cwd for command in commands} == {Path("/repo")}


def test_a_name_that_both_have_means_both() -> None:
    both = project(lint={"api": "a", "web": "b"}, test={"api": "c"})
    assert [command.title for command in plan(both, names=("api",))] == ["lint api", "test api"]
    assert [command.title for command in plan(both, ("test",))] == ["test api"]


def test_nothing_configured_is_an_error_that_names_the_table() -> None:
    with pytest.raises(UsageError) as caught:
        plan(project(lint={"ruff": "ruff check"}), ("test",))
    assert caught.value.where == "[tool.shiptasks.test] in pyproject.toml"
    with pytest.raises(UsageError) as caught:
        plan(project())
    assert caught.value.where == "[tool.shiptasks.lint] or [tool.shiptasks.test] in pyproject.toml"


def test_an_unknown_name_is_an_error_even_beside_known_ones() -> None:
    with pytest.raises(UsageError, match="no lint or test command named 'nope'"):
        plan(project(lint={"ruff": "ruff check"}), names=("ruff", "nope"))


def test_a_command_that_cannot_be_read_is_an_error_at_its_place() -> None:
    with pytest.raises(UsageError) as caught:
        plan(project(lint={"ruff": "ruff 'check"}))
    assert caught.value.where == "pyproject.toml"
    assert caught.value.now == "nothing was run"


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("===== 12 passed in 0.80s =====", "12 passed in 0.80s"),
        ("\x1b[32mAll checks passed!\x1b[0m", "All checks passed!"),
        ("-----", ""),
        ("   ", ""),
        ("Success: no issues found in 3 source files", "Success: no issues found in 3 source files"),
    ],
)
def test_the_last_word_of_a_tool_without_its_frame(line: str, word: str) -> None:
    assert _meaningful(line) == word
