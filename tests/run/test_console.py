"""On a real pseudo-terminal: while steps run, when it is resized, and when it goes away."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.run.terminal import run_on_terminal

PROGRAM = """
import sys, time
from shiptasks.run.events import Bus, RunFinished, RunStarted
from shiptasks.run.output import listener

bus = Bus(listener("text", quiet="quiet" in sys.argv, verbose="verbose" in sys.argv))
bus.emit(RunStarted(run_id="r", task="check", project="shop"))
with bus.step("lint a-very-long-name-of-a-stage", service="checkout", alone="inv check --only=lint.a") as one:
    one.output("\\x1b[31mchecking\\x1b[0m " + "many files " * 30)
    for number in range(int(sys.argv[1])):
        with bus.step(f"test part {number}") as two:
            two.progress(f"{number} of many")
            time.sleep(0.25)
    one.detail = "fine"
bus.emit(RunFinished(outcome="ok", seconds=1, exit_code=0))
"""
SEQUENCE = re.compile(r"\x1b\[[?\d;]*[A-Za-z]")


def environment() -> dict[str, str]:
    decides = {"CI", "GITHUB_ACTIONS", "GITLAB_CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"}
    return {**{key: value for key, value in os.environ.items() if key not in decides}, "TERM": "xterm-256color"}


def argv(tmp_path: Path, *args: str) -> list[str]:
    (tmp_path / "program.py").write_text(PROGRAM)
    return [sys.executable, "program.py", *args]


@pytest.mark.parametrize("columns", [20, 80, 120])
def test_no_live_line_reaches_the_edge_and_none_is_left(tmp_path: Path, columns: int) -> None:
    shown = run_on_terminal(argv(tmp_path, "3"), cwd=tmp_path, env=environment(), columns=columns)
    live = [SEQUENCE.sub("", line).strip("\r") for line in shown.raw.split("\n") if re.search("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", line)]
    assert len(live) > 6
    assert max(map(len, live)) == columns - 1
    assert not any(re.search("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", line) for line in shown.screen)
    assert [line[:6] for line in shown.screen] == ["check ", *["✓ test"] * 3, "✓ lint", "✓ chec", *shown.screen[6:]]
    assert "\x1b[31m" not in shown.raw


def test_the_last_line_of_its_output_is_seen_while_a_step_runs(tmp_path: Path) -> None:
    shown = run_on_terminal(argv(tmp_path, "2"), cwd=tmp_path, env=environment(), columns=120)
    assert "checking many files many" in SEQUENCE.sub("", shown.raw)
    assert "1 of many" in shown.raw


def test_a_terminal_that_is_resized(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
    process = subprocess.Popen(
        argv(tmp_path, "4"), cwd=tmp_path, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs
    )
    data, resized = b"", 0
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if not resized and b"1 of many" in data:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 60, 0, 0))
            resized = len(data)
        if process.poll() is not None and resized:
            break
        os.set_blocking(ours, False)
        try:
            data += os.read(ours, 65536)
        except BlockingIOError:
            time.sleep(0.01)
    os.close(theirs)
    os.close(ours)
    before, after = data[:resized].decode(), data[resized:].decode()
    live = [SEQUENCE.sub("", line) for line in after.split("\r\n") if re.search("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", line)]
    assert max(len(SEQUENCE.sub("", line).strip("\r")) for line in before.split("\r\n")) >= 119
    # What was on its way when the size changed may be wide still.
    assert max(len(line.strip("\r")) for line in live[2:]) == 59
    # Two lines of 119 columns are four of 60.
    assert "\x1b[4A" in after


def test_quiet_shows_only_the_end(tmp_path: Path) -> None:
    shown = run_on_terminal(argv(tmp_path, "1", "quiet"), cwd=tmp_path, env=environment(), columns=80)
    assert shown.screen == ["✓ check done in 1.0s", ""]


def test_verbose_shows_output_as_it_comes(tmp_path: Path) -> None:
    shown = run_on_terminal(argv(tmp_path, "1", "verbose"), cwd=tmp_path, env=environment(), columns=80)
    assert shown.screen[1].startswith("lint a-very-long-name-of-a-stage  checking many files many")
    assert "\x1b[31m" not in shown.raw


def test_forced_colour_and_none(tmp_path: Path) -> None:
    def shown(**env: str) -> str:
        return run_on_terminal(argv(tmp_path, "1"), cwd=tmp_path, env={**environment(), **env}, columns=80).raw

    green = "\x1b[32m✓"
    assert green in shown()
    assert green not in shown(NO_COLOR="1")
    assert green not in shown(NO_COLOR="1", FORCE_COLOR="1")
    assert green not in shown(FORCE_COLOR="0")
    assert green in shown(FORCE_COLOR="1", NO_COLOR="")


def test_a_terminal_that_goes_away_ends_nothing(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    program = argv(tmp_path, "2")
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); exec(open('program.py').read())"
    code += "; open('done', 'w').close()"
    process = subprocess.Popen(
        [program[0], "-c", code, "2"], cwd=tmp_path, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.read(ours, 100)
    os.close(ours)
    process.wait(30)
    assert (tmp_path / "done").exists()
