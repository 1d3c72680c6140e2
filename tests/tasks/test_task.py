"""Arguments, errors, signals and exit codes of tasks, through real `inv` processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from shiptasks.errors import UsageError
from shiptasks.tasks import task
from tests.run.pids import gone, read_pid
from tests.tasks.conftest import TASKS, Repo

RELEASE = f"""{TASKS}
from shiptasks import Failed, task
from shiptasks.tasks import check

@task(choices={{"size": ("small", "large")}}, help={{"size": "how large"}})
def ship(c, env: str = "", count: int = 3, share: float = 0.5, size: str = "small", dry_run: bool = False,
         format: str = "text"):
    print(repr((env, count, share, size, dry_run, format)))
"""


def test_arguments_arrive_with_their_types(repo: Repo) -> None:
    repo.write("tasks.py", RELEASE)
    assert repo.inv("ship").stdout == "('', 3, 0.5, 'small', False, 'text')\n"
    done = repo.inv("ship", "--env=staging", "--count", "7", "--share=0.25", "--size=large", "--dry-run")
    assert done.stdout == "('staging', 7, 0.25, 'large', True, 'text')\n"


@pytest.mark.parametrize(
    ("argument", "what", "following"),
    [
        ("--count=many", "--count=many is not a whole number", ""),
        ("--count=", "--count= is not a whole number", ""),
        ("--share=half", "--share=half is not a number", ""),
        ("--format=xml", "--format=xml is not known", "--format=text; the choices are text, json"),
        ("--format=jsno", "--format=jsno is not known", "--format=json; the choices are text, json"),
        ("--size=smal", "--size=smal is not known", "--size=small; the choices are small, large"),
    ],
)
def test_a_bad_argument_is_a_sentence_and_nothing_runs(repo: Repo, argument: str, what: str, following: str) -> None:
    repo.write("tasks.py", RELEASE)
    done = repo.inv("ship", argument)
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[:2] == [f"✗ {what}", "  now    nothing was run"]
    assert lines[2:] == ([f"  next   {following}"] if following else [])


def test_an_unknown_flag_is_refused_by_name(repo: Repo) -> None:
    repo.write("tasks.py", RELEASE)
    done = repo.inv("ship", "--cuont=3")
    assert done.returncode == 2
    told = ["✗ inv ship has no flag --cuont", "  now    nothing was run", "  next   did you mean `--count`?"]
    assert done.stderr.splitlines() == told
    assert done.stdout == ""


def test_an_unknown_task_is_answered_with_the_nearest(repo: Repo) -> None:
    done = repo.inv("chekc", "--plan")
    assert (done.returncode, done.stdout) == (2, "")
    told = ["✗ there is no task 'chekc'", "  now    nothing was run", "  next   did you mean `check`?"]
    assert done.stderr.splitlines() == told
    far = repo.inv("zzz")
    assert (far.returncode, far.stderr.splitlines()[-1]) == (2, "  next   inv --list shows the tasks")


def test_a_flag_without_its_value_is_said(repo: Repo) -> None:
    done = repo.inv("config", "--env")
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "✗ --env needs a value")


def test_what_is_answered_where_our_tasks_are_in_a_plain_collection(repo: Repo) -> None:
    repo.write("tasks.py", "from invoke import Collection\nfrom shiptasks import tasks\nns = Collection(tasks.check)\n")
    assert "did you mean `check`?" in repo.inv("chek").stderr
    assert repo.inv("check").returncode == 0


def test_an_error_before_a_run_is_one_json_document_too(repo: Repo) -> None:
    done = repo.inv("config", "--env=stagign", "--format=json")
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert document["exit_code"] == 2
    assert document["task"] == "config"
    assert "stagign" in document["error"]["what"] + document["error"]["where"]
    assert "staging" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_pyproject_is_said_in_words(repo: Repo) -> None:
    (repo.root / "pyproject.toml").unlink()
    done = repo.inv("check")
    assert done.returncode == 2
    assert "pyproject.toml" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_error_is_one_line_and_a_file(repo: Repo) -> None:
    repo.write("tasks.py", f"{TASKS}@shiptasks.task\ndef ship(c):\n    {{}}['key']\n")
    done = repo.inv("ship")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "ship met an error that it does not know: KeyError: 'key'" in done.stderr
    where = next(line.split()[1] for line in done.stderr.splitlines() if line.startswith("  where"))
    assert "KeyError: 'key'" in (repo.root / where).read_text()
    assert "Traceback" in repo.inv("ship", "--debug").stderr
    assert "Traceback" in repo.inv("ship", env={"SHIPTASKS_DEBUG": "1"}).stderr


def test_invokes_own_failures_are_left_to_invoke(repo: Repo) -> None:
    repo.write("tasks.py", f"{TASKS}@shiptasks.task\ndef ship(c):\n    c.run('exit 7')\n")
    assert repo.inv("ship").returncode == 7


def test_a_task_called_by_another_raises_to_it(repo: Repo) -> None:
    repo.write("pyproject.toml", '[tool.shiptasks]\nproject = "shop"\nlint.bad = "exit 3"\n')
    repo.write(
        "tasks.py",
        f"{TASKS}from shiptasks.tasks import check\n@shiptasks.task\ndef ship(c, catch: bool = False):\n"
        "    try:\n        check(c, only='bad')\n    except shiptasks.Failed as error:\n"
        "        if not catch:\n            raise\n        print('caught', error.exit_code)\n    print('shipped')\n",
    )
    caught = repo.inv("ship", "--catch")
    assert caught.returncode == 0
    assert caught.stdout.endswith("caught 1\nshipped\n")
    failed = repo.inv("ship")
    assert failed.returncode == 1
    assert "shipped" not in failed.stdout
    assert (failed.stdout + failed.stderr).count("1 of 1 stages failed") == 1


def test_a_plain_invoke_task_that_calls_ours_ends_with_its_exit_code(repo: Repo) -> None:
    repo.write("pyproject.toml", '[tool.shiptasks]\nproject = "shop"\n')
    repo.write(
        "tasks.py",
        f"{TASKS}from invoke import task\nfrom shiptasks.tasks import check\n@task\ndef ship(c):\n"
        "    check(c)\n    print('shipped')\n",
    )
    done = repo.inv("ship")
    assert done.returncode == 2
    assert "there is nothing to check" in done.stderr
    assert "shipped" not in done.stdout


def test_a_task_is_a_function_for_any_program(repo: Repo) -> None:
    script = repo.write("ci.py", "from shiptasks.tasks import check\ncheck(only='unit')\nprint('went on')\n")
    done = subprocess.run(
        [repo.argv()[0], str(script)], cwd=repo.root, env=repo.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "12 passed in 0.8s" in done.stdout
    assert done.stdout.endswith("went on\n")


def test_what_follows_a_failed_task_does_not_run(repo: Repo) -> None:
    repo.write(
        "pyproject.toml", '[tool.shiptasks]\nproject = "shop"\nlint.bad = "exit 3"\ntest.later = "touch later"\n'
    )
    assert repo.inv("lint", "test").returncode == 1
    assert not (repo.root / "later").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "command", ["sleep 60 & echo $! > pid; wait", "trap '' TERM INT; sleep 60 & echo $! > pid; wait"]
)
def test_a_signal_leaves_no_child_behind(repo: Repo, number: int, command: str) -> None:
    repo.write("pyproject.toml", f'[tool.shiptasks]\nproject = "shop"\ntest.slow = """{command}"""\n')
    process = subprocess.Popen(
        repo.argv("check"),
        cwd=repo.root,
        env=repo.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    child = read_pid(repo.root / "pid")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert gone(child)
    assert "check was interrupted" in out
    assert "Traceback" not in out + err
    last = json.loads((repo.runs()[0] / "events.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["outcome"], last["exit_code"]) == ("RunFinished", "interrupted", 130)


def test_a_task_of_the_users_is_guarded_without_a_run(repo: Repo) -> None:
    repo.write(
        "tasks.py",
        f"{TASKS}@shiptasks.task\ndef ship(c):\n    import os, time\n    from pathlib import Path\n"
        "    try:\n        Path('pid').write_text(str(os.getpid()))\n        time.sleep(60)\n"
        "    finally:\n        Path('cleaned').touch()\n",
    )
    process = subprocess.Popen(repo.argv("ship"), cwd=repo.root, env=repo.env, stderr=subprocess.PIPE, text=True)
    read_pid(repo.root / "pid")
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert (repo.root / "cleaned").exists()
    assert "ship was interrupted" in err


def test_a_reader_that_goes_away_is_no_error(repo: Repo) -> None:
    process = subprocess.Popen(
        repo.argv("check"), cwd=repo.root, env=repo.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 0
    assert "Traceback" not in err
    assert "Exception ignored" not in err


def test_stdin_closed_altogether(repo: Repo) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *repo.argv("check")],
        cwd=repo.root,
        env=repo.env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_question_is_refused_where_nobody_can_answer(repo: Repo) -> None:
    repo.write(
        "tasks.py",
        f"{TASKS}@shiptasks.task\ndef wipe(c, yes: bool = False):\n    from shiptasks.run.signals import confirm\n"
        "    confirm('Remove it all?', yes=yes)\n    print('wiped')\n",
    )
    began = time.monotonic()
    done = repo.inv("wipe", timeout=20)
    assert done.returncode == 3
    assert "wiped" not in done.stdout
    assert "next   the same command with --yes" in done.stderr
    assert time.monotonic() - began < 10
    assert repo.inv("wipe", "--yes").stdout == "wiped\n"


def test_tasks_are_equal_by_body_and_name() -> None:
    def make() -> object:
        @task
        def same(c: object) -> None: ...

        return same

    one, two = make(), make()
    assert one == one
    assert one != two
    assert len({one, two}) == 2


def test_an_error_raised_in_a_function_call_is_an_exit(capsys: pytest.CaptureFixture[str]) -> None:
    @task
    def ship(c: object) -> None:
        raise UsageError("no such thing", hint="inv --list")

    with pytest.raises(SystemExit) as caught:
        ship()
    assert caught.value.code == 2
    assert "no such thing" in capsys.readouterr().err
    assert os.environ.get("SHIPTASKS_DEBUG") is None
