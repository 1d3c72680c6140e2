"""`inv log`, run as a person would."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from shiptasks.run.history import runs
from tests.tasks.conftest import Repo

FAILING = """\
[tool.shiptasks]
project = "shop"

[tool.shiptasks.lint]
words = "echo All words are right!"

[tool.shiptasks.test]
unit = "printf '\\\\033[31mred\\\\033[0m\\\\n::error::forged\\\\n'; seq 2500; exit 3"
"""


def ids(repo: Repo) -> list[str]:
    """The runs, the last one first."""
    return [each.id for each in runs(repo.root / ".shiptasks")]


@pytest.fixture
def ran(repo: Repo) -> Repo:
    repo.inv("check")
    repo.write("pyproject.toml", FAILING)
    done = repo.inv("check", "--keep-going")
    assert done.returncode == 1, done.stderr
    return repo


def test_before_the_first_run(repo: Repo) -> None:
    done = repo.inv("log")
    assert (done.returncode, done.stdout) == (0, "no run is kept here yet\n")
    done = repo.inv("log", "--last")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "✗ no run is kept here yet")


def test_the_list_of_runs(ran: Repo) -> None:
    done = ran.inv("log")
    assert (done.returncode, done.stderr) == (0, "")
    head, last, first = done.stdout.splitlines()
    assert head.split() == ["run", "when", "task", "environment", "outcome", "time"]
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  check +failed +\d\.\ds", last)
    assert re.search(r"  check +ok +\d\.\ds$", first)
    told = json.loads(ran.inv("log", "--format=json").stdout)["result"]
    assert [(each["task"], each["outcome"], each["exit_code"]) for each in told] == [
        ("check", "failed", 1),
        ("check", "ok", 0),
    ]
    assert [each["run"] for each in told] == ids(ran)


def test_what_the_last_run_told(ran: Repo) -> None:
    lines = ran.inv("log", "--last").stdout.splitlines()
    assert lines[0].startswith(ids(ran)[0])
    assert re.fullmatch(r"\d\d:\d\d:\d\d check shop", lines[1])
    assert any(re.fullmatch(r"\d\d:\d\d:\d\d ✓ lint words +All words are right! +\d\.\ds", line) for line in lines)
    assert "[502 lines before these: inv log --last --stage=test.unit]" in lines
    assert "  alone  inv check --only=test.unit" in lines
    first = ran.inv("log", f"--run={ids(ran)[1]}").stdout
    assert re.search(r"✓ check done in \d\.\ds", first)


def test_what_a_stage_wrote_in_full(ran: Repo) -> None:
    done = ran.inv("log", "--stage=test.unit")
    assert done.stdout.splitlines() == ["red", "::error::forged", *map(str, range(1, 2501))]
    assert ran.inv("log", "--last", "--stage=unit").returncode == 2
    of_first = ran.inv("log", f"--run={ids(ran)[1]}", "--stage=test").stdout
    assert of_first == "==== 12 passed in 0.8s ====\n"
    on_github = ran.inv("log", "--stage=test", env={"GITHUB_ACTIONS": "true"}).stdout
    assert "| ::error::forged" in on_github.splitlines()
    told = json.loads(ran.inv("log", "--last", "--stage=test", "--format=json").stdout)["result"]
    assert told[0]["id"] == "test.unit"
    assert told[0]["output"][0] == "\x1b[31mred\x1b[0m"


def test_as_json(ran: Repo) -> None:
    told = json.loads(ran.inv("log", "--last", "--format=json").stdout)["result"]
    assert (told["run"], told["outcome"]) == (ids(ran)[0], "failed")
    assert {step["id"]: step["outcome"] for step in told["steps"]} == {"lint.words": "ok", "test.unit": "failed"}


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (("--last", "--run=2"), "--last and --run contradict each other"),
        (("--run=1999",), "no run has an id that begins with '1999'"),
        (("--stage=lint.nothing",), "that run has no stage 'lint.nothing'"),
    ],
)
def test_wrong_words(ran: Repo, flags: tuple[str, ...], what: str) -> None:
    done = ran.inv("log", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == f"✗ {what}"
    assert "  now    nothing was run" in done.stderr.splitlines()


def test_a_run_that_was_killed(ran: Repo) -> None:
    folder = ran.root / ".shiptasks" / "runs" / ids(ran)[0]
    log = folder / "events.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:3]))
    (folder / "lease").touch()
    assert re.search(r"  check +was killed +-$", ran.inv("log").stdout.splitlines()[1])
    assert ran.inv("log", "--last").stdout.splitlines()[-1] == "the run was killed"


def test_a_reader_that_stops_is_no_error(ran: Repo) -> None:
    command = " ".join(ran.argv("log", "--stage=test.unit"))
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -n 1; exit ${{PIPESTATUS[0]}}"],
        cwd=ran.root, env=ran.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "red\n", "")
