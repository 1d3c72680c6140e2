"""`inv lint`, `inv test`, `inv check` and `inv config`, as processes."""

from __future__ import annotations

import json
import re
import secrets
import signal
import stat
import subprocess
import time

import pytest

from shiptasks.config.toml import parse
from tests.tasks.conftest import Repo

FAILING = """\
[tool.shiptasks]
project = "shop"

[tool.shiptasks.lint]
good = "echo fine"
bad = "seq 1 40; echo '::error::the last word'; exit 3"
absent = "no-such-tool --check"

[tool.shiptasks.test]
unit = "sleep 0.3; echo '==== 12 passed in 0.8s ===='"
"""


def test_all_pass(repo: Repo) -> None:
    done = repo.inv("check")
    assert done.returncode == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in lines)
    lines = [line[9:] for line in lines]
    assert lines[0] == "check shop"
    ended = sorted(lines[1:3])
    assert re.fullmatch(r"✓ lint words +All words are right! +\d\.\ds", ended[0])
    assert re.fullmatch(r"✓ test unit +12 passed in 0\.8s +\d\.\ds", ended[1])
    assert re.fullmatch(r"✓ check done in \d\.\ds: 2 passed", lines[3])
    assert len(lines) == 4
    assert "\x1b" not in done.stdout


def test_every_result_is_shown_and_one_failure_fails(repo: Repo) -> None:
    repo.write("pyproject.toml", FAILING)
    done = repo.inv("check", "--keep-going")
    assert done.returncode == 1
    assert re.search(r"^\S+ ✓ lint good +fine ", done.stdout, re.M)
    assert re.search(r"^\S+ ✗ lint bad +::error::the last word ", done.stdout, re.M)
    assert re.search(r"^\S+ ✗ lint absent +the command 'no-such-tool' was not found: install", done.stdout, re.M)
    assert re.search(r"^\S+ ✓ test unit +12 passed in 0\.8s ", done.stdout, re.M)
    whole = "\n".join((*map(str, range(1, 41)), "::error::the last word"))
    assert done.stdout.count(f"\n{whole}\n  alone  inv check --only=lint.bad\n") == 1  # in full, once, at the end
    assert "\nfine" not in done.stdout
    assert (
        "✗ 2 of 4 stages failed: lint bad, lint absent\n  next   inv check --only=lint.bad,lint.absent\n" in done.stdout
    )


def test_the_first_failure_ends_the_others(repo: Repo) -> None:
    repo.write(
        "pyproject.toml",
        """[tool.shiptasks]
project = "shop"
lint.bad = "sleep 0.3; exit 3"
test.slow = "touch began; sleep 60; touch ended"
test.late = { command = "touch late", needs = ["test.slow"] }
""",
    )
    done = repo.inv("check", "--jobs=2", "--format=json")
    assert done.returncode == 1
    results = json.loads(done.stdout)["result"]["stages"]
    assert [(one["id"], one["outcome"]) for one in results] == [
        ("lint.bad", "failed"),
        ("test.slow", "interrupted"),
        ("test.late", "skipped"),
    ]
    assert results[2]["detail"] == "not run: test.slow did not pass"
    assert (repo.root / "began").exists()
    assert not (repo.root / "late").exists()


def test_an_advisory_stage_is_reported_and_fails_nothing(repo: Repo) -> None:
    repo.write(
        "pyproject.toml",
        '[tool.shiptasks]\nproject = "shop"\nlint.a = { command = "echo no; exit 1", advisory = true }\n'
        'test.b = { command = "true", needs = ["lint.a"] }\n',
    )
    done = repo.inv("check")
    assert done.returncode == 0
    assert re.search(r"^\S+ ! lint a +advisory: no ", done.stdout, re.M)
    assert "check done" in done.stdout
    assert "1 passed, 1 with warnings" in done.stdout


def test_a_stage_over_its_budget_is_told(repo: Repo) -> None:
    repo.write(
        "pyproject.toml",
        '[tool.shiptasks]\nproject = "shop"\ntest.a = { command = "sleep 0.3", budget = "100ms" }\n',
    )
    done = repo.inv("check")
    assert done.returncode == 0
    assert re.search(r"^\S+ ! test a +over its budget of 0\.1s ", done.stdout, re.M)


def test_list_and_quiet(repo: Repo) -> None:
    repo.write("pyproject.toml", FAILING)
    assert repo.inv("check", "--list").stdout.splitlines() == [
        "lint.good    echo fine",
        "lint.bad     seq 1 40; echo '::error::the last word'; exit 3",
        "lint.absent  no-such-tool --check",
        "test.unit    sleep 0.3; echo '==== 12 passed in 0.8s ===='",
    ]
    quiet = repo.inv("check", "--only=good", "--quiet").stdout.splitlines()
    assert len(quiet) == 1
    assert quiet[0].endswith(": 1 passed")


def test_in_json_stdout_is_one_document(repo: Repo) -> None:
    repo.write("pyproject.toml", FAILING)
    done = repo.inv("check", "--format=json", "--keep-going")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    stages = document["result"]["stages"]
    assert [(one["kind"], one["name"], one["outcome"], one["exit_code"]) for one in stages] == [
        ("lint", "good", "ok", 0),
        ("lint", "bad", "failed", 3),
        ("lint", "absent", "failed", None),
        ("test", "unit", "ok", 0),
    ]
    assert stages[3]["detail"] == "12 passed in 0.8s"
    assert document["error"]["next"] == "inv check --only=lint.bad,lint.absent"
    assert "lint bad" in done.stderr


def test_lint_and_test_run_their_own(repo: Repo) -> None:
    assert "test unit" not in repo.inv("lint").stdout
    assert "lint words" not in repo.inv("test").stdout


def test_only(repo: Repo) -> None:
    repo.write("pyproject.toml", FAILING)
    done = repo.inv("check", "--only=good, unit")
    assert done.returncode == 0
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "what", "following"),
    [
        (["check", "--only=good,unti"], "there is no lint or test command named 'unti'", "did you mean `--only=unit`?"),
        (["lint", "--only=unit"], "there is no lint command named 'unit'", "--only=good,bad,absent"),
        (["check", "--jobs=-1"], "--jobs=-1 is not a number of jobs", "--jobs=0 or more"),
    ],
)
def test_wrong_use_runs_nothing(repo: Repo, arguments: list[str], what: str, following: str) -> None:
    repo.write("pyproject.toml", FAILING)
    done = repo.inv(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"✗ {what}\n  now    nothing was run\n  next   {following}\n"
    assert repo.runs() == []


def test_nothing_to_check_is_never_a_pass(repo: Repo) -> None:
    repo.write("pyproject.toml", '[tool.shiptasks]\nproject = "shop"\nlint.good = "true"\n')
    done = repo.inv("test")
    assert done.returncode == 2
    assert "there is nothing to check: no command is configured" in done.stderr
    assert "[tool.shiptasks.test] in pyproject.toml" in done.stderr
    assert 'add one, such as unit = { preset = "pytest" } under [tool.shiptasks.test]' in done.stderr


def test_a_quote_left_open_is_found_before_anything_runs(repo: Repo) -> None:
    repo.write("pyproject.toml", "[tool.shiptasks]\nproject = 'shop'\nlint.a = 'touch ran'\nlint.b = \"echo 'open\"\n")
    done = repo.inv("check")
    assert done.returncode == 2
    assert "where  pyproject.toml:4:10" in done.stderr
    assert not (repo.root / "ran").exists()


def test_plan_prints_what_would_run(repo: Repo) -> None:
    done = repo.inv("check", "--plan")
    assert done.stdout.splitlines() == [
        "at once, side by side",
        "  lint.words: echo All words are right!",
        "  test.unit: echo '==== 12 passed in 0.8s ===='",
    ]
    assert json.loads(repo.inv("lint", "--plan", "--format=json").stdout)["result"] == [
        {
            "id": "lint.words",
            "kind": "lint",
            "name": "words",
            "command": "echo All words are right!",
            "needs": [],
            "containers": [],
            "advisory": False,
            "idle": "",
        }
    ]
    assert repo.runs() == []


def test_side_by_side(repo: Repo) -> None:
    # Each waits for the other: neither could end if they ran one after the other.
    meet = "sh -c 'touch {me}; for i in $(seq 200); do [ -e {other} ] && exit 0; sleep 0.05; done; exit 1'"
    commands = f'one = "{meet.format(me="a", other="b")}"\ntwo = "{meet.format(me="b", other="a")}"'
    repo.write("pyproject.toml", f'[tool.shiptasks]\nproject = "shop"\n[tool.shiptasks.test]\n{commands}\n')
    assert repo.inv("test", "--jobs=2").returncode == 0


def test_one_at_a_time(repo: Repo) -> None:
    # Each needs to be alone.
    commands = "\n".join(f"t{number} = \"sh -c 'mkdir alone && sleep 0.2 && rmdir alone'\"" for number in range(3))
    repo.write("pyproject.toml", f'[tool.shiptasks]\nproject = "shop"\n[tool.shiptasks.test]\n{commands}\n')
    assert repo.inv("test", "--jobs=1").returncode == 0


def test_commands_run_in_the_root_with_the_tools_of_this_environment_and_no_stdin(repo: Repo) -> None:
    tool = repo.write(".venv/bin/only-here", "#!/bin/sh\npwd; wc -c\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    python = tool.with_name("python")
    python.symlink_to(repo.argv()[0])
    repo.write(".venv/pyvenv.cfg", "home = /nowhere\n")
    repo.write("pyproject.toml", '[tool.shiptasks]\nproject = "shop"\nlint.a = "only-here"\n')
    below = repo.root / "below"
    below.mkdir()
    script = (
        "import sys, runpy; sys.executable = sys.argv.pop(1); sys.argv[0] = 'inv';"
        "runpy.run_module('invoke', run_name='__main__')"
    )
    done = subprocess.run(
        [repo.argv()[0], "-c", script, str(python), "lint", "--format=json"],
        cwd=below,
        env=repo.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["stages"][0]["detail"] == "0"
    log = (repo.runs()[0] / "events.jsonl").read_text()
    assert f'"line": "{repo.root.resolve()}"' in log


def test_the_run_log_holds_all_that_the_terminal_did_not_show(repo: Repo) -> None:
    repo.write("pyproject.toml", FAILING)
    repo.inv("check", "--keep-going")
    (run,) = repo.runs()
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert events[0]["event"] == "RunStarted"
    assert events[-1] == {**events[-1], "event": "RunFinished", "exit_code": 1, "summary": "2 passed, 2 failed"}
    lines = [event["line"] for event in events if event["event"] == "StepOutput"]
    assert {"fine", "1", "40", "==== 12 passed in 0.8s ===="} <= set(lines)
    assert run.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("colour", [True, False])
def test_on_a_terminal(repo: Repo, columns: int, colour: bool) -> None:
    long = "a-name-that-is-as-long-as-a-name-may-be1"
    repo.write("pyproject.toml", FAILING.replace("good =", f"{long} =").replace("echo fine", f"echo {'word ' * 60}"))
    shown = repo.on_terminal("check", "--keep-going", columns=columns, env={} if colour else {"NO_COLOR": "1"})
    assert shown.exit_code == 1
    assert ("\x1b[1;31m" in shown.raw) is colour
    assert re.search(r"\x1b\[[0-9;]*3[1-7]m", shown.raw) is not None or not colour
    assert ("\x1b[31m" in shown.raw or "\x1b[36m" in shown.raw) is colour
    assert shown.raw.count("\x1b[?25l") == shown.raw.count("\x1b[?25h")  # the cursor is back
    screen = [line for line in shown.screen if line]
    assert screen[0] == "check shop"
    assert not any(line[0] in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" for line in screen)  # nothing live is left over
    ended = [line for line in screen if re.search(r"\d\.\ds$", line) and line[0] in "✓✗" and " in " not in line[:9]]
    steps = [line for line in ended if line.split()[1] in ("lint", "test")]
    assert len(steps) == 4
    assert {len(line) for line in steps} == {columns}
    (cut,) = [line for line in steps if long[:10] in line]
    assert "…" in cut
    assert {"1", "40", "  alone  inv check --only=lint.bad"} <= set(screen)
    assert screen[-3:-1] == [
        "✗ 2 of 4 stages failed: lint bad, lint absent",
        "  next   inv check --only=lint.bad,lint.absent",
    ]
    assert re.fullmatch(r"✗ check failed in \d\.\ds: 2 passed, 2 failed", screen[-1])


def test_a_running_step_is_seen_while_it_runs(repo: Repo) -> None:
    repo.write("pyproject.toml", '[tool.shiptasks]\nproject = "shop"\ntest.slow = "sleep 1.2"\n')
    shown = repo.on_terminal("test", env={"NO_COLOR": "1"})
    frames = re.findall(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] .*?test slow.*?(\d\.\d)s", shown.raw)
    assert len(set(frames)) >= 3
    assert max(map(float, frames)) >= 0.5


@pytest.mark.parametrize("env", [{"CI": "true"}, {"TERM": "dumb"}])
def test_a_terminal_that_is_none_gets_plain_lines(repo: Repo, env: dict[str, str]) -> None:
    shown = repo.on_terminal("check", env=env)
    assert "\x1b" not in shown.raw
    assert any(re.fullmatch(r"\S+ ✓ lint words +All words are right! +0\.\ds", line) for line in shown.screen)


def test_colour_can_be_forced(repo: Repo) -> None:
    assert "\x1b[32m✓\x1b[0m lint words" in repo.inv("lint", env={"FORCE_COLOR": "1"}).stdout


@pytest.mark.parametrize("columns", [80, 120])
def test_no_plain_line_is_wider_than_columns(repo: Repo, columns: int) -> None:
    repo.write("pyproject.toml", FAILING.replace("echo fine", f"echo {'word ' * 60}"))
    done = repo.inv("check", env={"COLUMNS": str(columns)})
    assert max(map(len, done.stdout.splitlines())) == columns


def test_github_annotates_a_wrong_configuration_at_its_line(repo: Repo) -> None:
    repo.write("pyproject.toml", '[tool.shiptasks]\nproject = "shop"\nlnit.good = "true"\n')
    done = repo.inv("check", env={"GITHUB_ACTIONS": "true", "CI": "true"})
    assert done.returncode == 2
    assert re.search(r"^::error file=pyproject\.toml,line=3(,col=\d+)?::", done.stderr, re.M), done.stderr


def test_config_prints_effective_values(repo: Repo) -> None:
    done = repo.inv("config", "--env=staging")
    assert done.returncode == 0
    lines = [line.split("  # ") for line in done.stdout.splitlines()]
    assert ['project = "shop"', "pyproject.toml:2"] in [[text.strip(), source] for text, source in lines]
    assert parse(done.stdout)["lint"]["words"]["command"] == "echo All words are right!"  # what is printed is TOML
    document = json.loads(repo.inv("config", "--format=json").stdout)["result"]
    assert document["config"]["project"] == "shop"
    assert document["config"]["environments"]["staging"]["hosts"] == ["deploy@staging.example.com"]
    assert document["root"] == str(repo.root.resolve())


def test_config_of_an_unknown_environment(repo: Repo) -> None:
    done = repo.inv("config", "--env=stagign")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "staging" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_stages_and_what_they_started(repo: Repo, number: signal.Signals) -> None:
    mark = f"60.{secrets.randbelow(10**9):09d}"
    repo.write(
        "pyproject.toml",
        f"""[tool.shiptasks]
project = "shop"
test.plain = "touch one; sleep {mark}"
test.daemon = "setsid --fork sleep {mark}; touch two; sleep {mark}"
test.late = {{ command = "touch late", needs = ["test.plain"] }}
""",
    )
    process = subprocess.Popen(
        [*repo.argv(), "check", "--jobs=3"], cwd=repo.root, env=repo.env, stdout=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 20
    while not ((repo.root / "one").exists() and (repo.root / "two").exists()) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130, out
    assert "check was interrupted" in out
    listed = subprocess.run(["ps", "-eo", "stat,args"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in listed.splitlines() if mark in line and not line.startswith("Z")]
    assert not (repo.root / "late").exists()
