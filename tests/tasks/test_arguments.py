"""A task's parameters on the command line: each kind, right and wrong."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any, Literal

import pytest

from shiptasks.config.values import Duration, Size
from shiptasks.errors import UsageError
from shiptasks.tasks import task
from tests.tasks.conftest import TASKS, Repo

KINDS = (
    """\
from __future__ import annotations
import enum
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Optional
"""
    + TASKS
    + """\
from shiptasks.config.values import Duration, Size
if TYPE_CHECKING:
    from nowhere import Nothing

class Colour(enum.Enum):
    RED = "red"
    DARK_BLUE = 2

@shiptasks.task
def show(c, number: int = 1, part: float = 0.5, loud: bool = False, quiet: bool = True, text: str = "t",
         file: Path = Path("f"), wait: Duration = Duration("30s"), room: Size = Size("1GB"),
         level: Literal["low", "high"] = "low", colour: Colour = Colour.RED, names: list[str] = [],
         ports: tuple[int, ...] = (), maybe: int | None = None, other: Optional[str] = None, odd: Nothing = 3):
    'Show all.'
    print(dict(locals(), c=None))

@shiptasks.task
def need(c, env: str, count: int):
    'Need two.'
    print("ran", env, count)
"""
)


def shown(repo: Repo, *arguments: str) -> str:
    done = repo.inv("show", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_kind_is_what_its_annotation_says(repo: Repo) -> None:
    repo.write("tasks.py", KINDS)
    flags = ["--number=7", "--part=0.25", "--loud", "--no-quiet", "--text=--x", "--file=a/b", "--wait=1m30s"]
    flags += [
        "--room=64KB",
        "--level=high",
        "--colour=dark-blue",
        "--names=a,b",
        "--names=c",
        "--ports=1,2",
        "--maybe=4",
    ]
    out = shown(repo, *flags, "--odd=5")
    for part in (
        "'number': 7,", "'part': 0.25,", "'loud': True,", "'quiet': False,", "'text': '--x',", "Duration('1m30s')",
        "Size('64KB')", "'level': 'high',", "<Colour.DARK_BLUE: 2>", "'names': ['a', 'b', 'c'],", "'ports': (1, 2),",
        "'maybe': 4,", "'other': None,", "'odd': 5}",
    ):  # fmt: skip
        assert part in out, out
    assert f"'file': PosixPath('{repo.root}/a/b')" in out


def test_without_flags_the_defaults_stand(repo: Repo) -> None:
    repo.write("tasks.py", KINDS)
    out = shown(repo)
    for part in (
        "'number': 1,",
        "Duration('30s')",
        "<Colour.RED: 'red'>",
        "'ports': (),",
        "'maybe': None,",
        "'odd': 3}",
    ):
        assert part in out, out


@pytest.mark.parametrize(
    ("flag", "what", "following"),
    [
        ("--number=x", "--number=x is not a whole number", ""),
        ("--part=x", "--part=x is not a number", ""),
        ("--maybe=1.5", "--maybe=1.5 is not a whole number", ""),
        ("--ports=1,b", "--ports=b is not a whole number", ""),
        ("--wait=5", '--wait=5: expected a duration such as "30s", "1m30s" or "500ms"', "--wait=…"),
        ("--room=5", '--room=5: expected a size such as "500MB" or "2GB"', "--room=…"),
        ("--level=hihg", "--level=hihg is not known", "--level=high; the choices are low, high"),
        ("--colour=RED", "--colour=RED is not known", "--colour=red; the choices are red, dark-blue"),
    ],
)
def test_a_wrong_value_is_answered_and_nothing_runs(repo: Repo, flag: str, what: str, following: str) -> None:
    repo.write("tasks.py", KINDS)
    done = repo.inv("show", flag)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines == [f"✗ {what}", "  now    nothing was run", *([f"  next   {following}"] if following else [])]


def test_what_has_no_default_must_be_given_and_help_never_runs_it(repo: Repo) -> None:
    repo.write("tasks.py", KINDS)
    done = repo.inv("need", "--env=x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "✗ --count is missing",
        "  now    nothing was run",
        "  next   inv need --count=…",
    ]
    assert repo.inv("need", "--env=x", "--count=2").stdout == "ran x 2\n"
    for words in (("need", "--help"), ("--help", "need")):
        helped = repo.inv(*words)
        assert (helped.returncode, "ran" in helped.stdout, "--env=STRING" in helped.stdout) == (0, False, True)
        assert "(required)" in helped.stdout


def test_help_shows_choices_and_defaults(repo: Repo) -> None:
    repo.write("tasks.py", KINDS)
    text = repo.inv("show", "--help", env={"COLUMNS": "200"}).stdout
    for part in ("(low or high; default: low)", "(default: 30s)", "(default: 1GB)", "(red or dark-blue; default: red)"):
        assert part in text, text


class Mode(enum.Enum):
    FAST = "fast"


@task
def values(
    c: object,
    wait: Duration = Duration("1s"),
    room: Size = Size("1MB"),
    mode: Mode = Mode.FAST,
    level: Literal["a", "b"] = "a",
    names: tuple[str, ...] = (),
    file: Path | None = None,
) -> Any:
    return wait, room, mode, level, names, file


def test_called_as_a_function_it_takes_values_and_texts() -> None:
    assert values() == (Duration("1s"), Size("1MB"), Mode.FAST, "a", (), None)
    assert values(None, Duration("2s"), names=["x", "y"]) == (2.0, Size("1MB"), Mode.FAST, "a", ("x", "y"), None)
    assert values(wait="2s", mode="fast", names="x,y")[0::2] == (2.0, Mode.FAST, ("x", "y"))


def test_wrong_values_are_answered_to_other_code_too(capsys: pytest.CaptureFixture[str]) -> None:
    @task
    def outer(c: object) -> None:
        with pytest.raises(UsageError, match="--level=c is not known"):
            values(c, level="c")

    outer()
    with pytest.raises(SystemExit):
        values(level="c")
    assert "--level=c is not known" in capsys.readouterr().err


def test_flags_of_another_task_can_be_taken_over(repo: Repo) -> None:
    repo.write(
        "tasks.py",
        f"{TASKS}from shiptasks import tasks\n@shiptasks.task(like=tasks.check)\n"
        "def check(c, note='', **options):\n    'Mine.'\n    print('note', note, options, flush=True)\n"
        "    tasks.check(c, **options)\n",
    )
    done = repo.inv("check", "--plan", "--note=hello", "--jobs=2")
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first.startswith("note hello {'only': '', 'skip': '', 'jobs': 2, ")
    assert "'plan': True" in first
    assert "lint.words" in done.stdout
    assert "--only" in repo.inv("check", "--help").stdout


def test_what_no_command_line_can_give_is_refused_when_it_is_defined() -> None:
    with pytest.raises(TypeError, match="a task takes flags by name"):

        @task
        def star(c: object, *names: str) -> None: ...

    with pytest.raises(TypeError, match="cannot have positional arguments"):

        @task(positional=["name"])
        def place(c: object, name: str = "") -> None: ...

    with pytest.raises(TypeError, match="has no argument 'x' to give help for"):

        @task(help={"x": "?"})
        def other(c: object) -> None: ...
