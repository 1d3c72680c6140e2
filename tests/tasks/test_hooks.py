"""Hooks of `inv check`: commands and tasks, before, after and on failure; names that are wrong; loops."""

# ruff: noqa: E501 - a table of lines and answers
from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from shiptasks.check.sections import CheckHooks
from shiptasks.config.hook import StageHooks
from shiptasks.config.model import Hooks
from shiptasks.deploy.plan import STAGES
from tests.tasks.conftest import CONFIG, TASKS, Repo

NOTE = 'echo \\"$SHIPTASKS_WHEN $SHIPTASKS_TASK.$SHIPTASKS_STAGE $SHIPTASKS_OUTCOME\\" >> notes'
NOTES = (
    TASKS
    + """\
@shiptasks.task
def note(c, hook: shiptasks.HookContext = None, loud: bool = False):
    'Note it.'
    c.run(f"echo {hook.when} {hook.task}.{hook.stage} $SHIPTASKS_OUTCOME {hook.project} >> notes" if hook else "echo by hand")
"""
)


def configure(repo: Repo, hooks: str, *, lint: str = "true") -> None:
    repo.write("tasks.py", NOTES)
    repo.write(
        "pyproject.toml", CONFIG.replace("echo All words are right!", lint) + f"[tool.shiptasks.hooks]\n{hooks}\n"
    )


def notes(repo: Repo) -> list[str]:
    path = repo.root / "notes"
    return [line.rstrip() for line in path.read_text().splitlines()] if path.exists() else []


def test_commands_and_tasks_around_the_task_and_its_stages(repo: Repo) -> None:
    configure(
        repo,
        f'check.before = ["{NOTE}", {{ task = "note" }}]\ncheck.lint.before = "{NOTE}"\n'
        f'check.lint.after = {{ command = "{NOTE}", timeout = "9s" }}\ncheck.after = {{ task = "note" }}\n'
        f'check.failed = "{NOTE}"\n',
    )
    done = repo.inv("check")
    assert done.returncode == 0, done.stderr
    assert notes(repo) == [
        "before check.", "before check. shop", "before check.lint", "after check.lint ok", "after check. ok shop",
    ]  # fmt: skip
    (repo.root / "notes").unlink()
    assert repo.inv("lint").returncode == 0
    assert notes(repo) == ["before check.lint", "after check.lint ok"]


def test_on_failure_those_for_that_run(repo: Repo) -> None:
    configure(repo, f'check.lint.after = "{NOTE}"\ncheck.after = "{NOTE}"\ncheck.failed = "{NOTE}"\n', lint="false")
    done = repo.inv("check")
    assert done.returncode == 1
    assert notes(repo) == ["failed check. failed"]


def test_a_hook_by_hand_is_a_task_like_any_other(repo: Repo) -> None:
    configure(repo, "")
    assert repo.inv("note").stdout == "by hand\n"
    assert "--hook" not in repo.inv("note", "--help").stdout


def test_one_that_fails_before_stops_and_nothing_has_run(repo: Repo) -> None:
    configure(repo, "check.before = \"sh -c 'echo why >&2; exit 3'\"\n", lint="touch ran")
    done = repo.inv("check")
    assert done.returncode == 1
    assert "the hook before check failed" in done.stdout
    assert "why" in done.stdout
    assert "pyproject.toml:13:" in done.stdout
    assert not (repo.root / "ran").exists()


def test_one_that_fails_after_is_told_and_changes_nothing(repo: Repo) -> None:
    configure(repo, f'check.after = ["false", "{NOTE}"]\n')
    done = repo.inv("check")
    assert done.returncode == 0
    assert "warning: the hook after check failed" in done.stdout
    assert notes(repo) == ["after check. ok"]


def test_one_that_takes_too_long_is_ended(repo: Repo) -> None:
    configure(repo, 'check.before = { command = "sleep 60", timeout = "200ms" }\n')
    began = time.monotonic()
    done = repo.inv("check")
    assert (done.returncode, time.monotonic() - began < 30) == (1, True)
    assert "did not end within 0.2 seconds" in done.stdout


@pytest.mark.parametrize(
    ("hooks", "what", "where", "hint"),
    [
        ('check.after = { task = "noet" }', "the hook names a task that does not exist: noet", "13:7", "did you mean `note`?"),
        ('check.lint.before = ["true", { task = "x" }]', "the hook names a task that does not exist: x", "13:30", "inv --list shows the tasks"),
        ('check.befor = "x"', "hooks.check.befor: unknown key", "13:7", "did you mean `before`?"),
        ('check.lnit.before = "x"', "hooks.check.lnit: unknown key", "13:7", "did you mean `lint`?"),
        ('check.before = ""', 'hooks.check.before[0].command: expected a command such as "ruff check .", not ""', "13:7", ""),
        ("check.before = 3", "hooks.check.before[0]: expected text in quotes, or a table, not 3", "13:7", ""),
        ("check.before = {}", "hooks.check.before[0]: expected either `command` or `task`", "13:7", ""),
        ('check.before = { task = "note", timeout = "1s" }', "hooks.check.before[0].timeout: a task has no `timeout`, only a command has", "13:7", ""),
        ('check.before = { command = "x", timeout = "-1s" }', 'hooks.check.before[0].timeout: expected a duration such as "30s", "1m30s" or "500ms", not "-1s"', "13:7", ""),
    ],
)  # fmt: skip
def test_wrong_hooks_are_answered_before_anything_runs(
    repo: Repo, hooks: str, what: str, where: str, hint: str
) -> None:
    configure(repo, hooks, lint="touch ran")
    done = repo.inv("check", env={"COLUMNS": "300"})
    assert done.returncode == 2, done.stdout
    told = (done.stdout + done.stderr).splitlines()
    assert f"✗ {what}" in told, told
    assert any(line.startswith(f"  where  pyproject.toml:{where}") for line in told), told
    assert not hint or f"  next   {hint}" in told, told
    assert not (repo.root / "ran").exists()


@pytest.mark.parametrize("words", [["check"], ["lint"]])
def test_a_hook_that_would_run_for_ever_is_refused(repo: Repo, words: list[str]) -> None:
    configure(repo, f'check.lint.before = "{repo.argv()[0]} -m invoke {words[0]}"\n')
    done = repo.inv("check", timeout=60)
    assert done.returncode == 1
    assert f"a hook of inv check may not run inv {words[0]}" in done.stdout


def test_a_hook_may_run_other_tasks(repo: Repo) -> None:
    configure(repo, f'check.before = "{repo.argv()[0]} -m invoke config"\n')
    assert repo.inv("check").returncode == 0


def test_a_task_that_calls_the_same_task_again_is_refused(repo: Repo) -> None:
    configure(repo, 'check.before = { task = "loop" }\n')
    repo.write("tasks.py", f"{TASKS}@shiptasks.task\ndef loop(c):\n    shiptasks.call(c, 'check')\n")
    done = repo.inv("check")
    assert done.returncode == 1
    assert "a hook of inv check may not run inv check" in done.stdout


def test_an_interrupt_ends_a_hook(repo: Repo) -> None:
    configure(repo, 'check.before = "echo $$ > pid; sleep 60 & wait"\n')
    process = subprocess.Popen(repo.argv("check"), cwd=repo.root, env=repo.env, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not ((repo.root / "pid").exists() and (repo.root / "pid").read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int((repo.root / "pid").read_text()), 0)


def without_times(told: str) -> set[str]:
    return {line[len("12:03:11 ") :] for line in told.splitlines()}


def test_what_a_task_prints_is_told(repo: Repo) -> None:
    configure(repo, 'check.before = { task = "say" }\n')
    repo.write("tasks.py", f"{TASKS}@shiptasks.task\ndef say(c):\n    print('printed')\n    c.run('echo run')\n")
    done = repo.inv("check")
    assert {"printed", "run"} <= without_times(done.stdout)
    done = repo.inv("check", "--format=json")
    assert json.loads(done.stdout)["outcome"] == "ok"
    assert {"printed", "run"} <= {line[9:] for line in done.stderr.splitlines()}


def test_in_json_stdout_stays_one_document(repo: Repo) -> None:
    configure(repo, 'check.before = "echo hello"\ncheck.after = "false"\n')
    done = repo.inv("check", "--format=json")
    assert json.loads(done.stdout)["outcome"] == "ok"
    assert "the hook after check failed" in done.stderr


def test_the_keys_are_the_stages_that_there_are() -> None:
    def stages(points: StageHooks) -> set[str]:
        return {key for key in type(points).model_fields if isinstance(getattr(points, key), StageHooks)}

    assert stages(Hooks().deploy) == {stage.replace(" ", "_") for stage in STAGES}
    assert stages(Hooks().rollback) == stages(Hooks().deploy) - {"stage_files", "migrate"}
    assert stages(CheckHooks()) == {"lint", "test"}
