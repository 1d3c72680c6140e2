"""One recorded check as people see it.

To write the files anew: `SHIPTASKS_GOLDEN=write pytest tests/run/test_golden.py`; then look at what `git diff` says.
"""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from shiptasks.run.console import Console
from shiptasks.run.events import Bus, Listener
from shiptasks.run.folds import folds_of
from shiptasks.run.markdown import StepSummary
from shiptasks.run.plain import Plain
from shiptasks.run.secrets import Secrets
from tests.run.recorded import SECRET, begun, ended
from tests.run.terminal import draw

GOLDEN = Path(__file__).parent / "golden"


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TERM", "xterm-256color")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def tell(listener: Listener) -> None:
    bus = Bus(listener, secrets=Secrets())
    bus.secrets.add(SECRET)
    for event in (*begun(), *ended()):
        bus.emit(event)


def on_terminal(columns: int, *, quiet: bool = False, verbose: bool = False) -> str:
    stream = Terminal()
    tell(Console(stream, columns=columns, quiet=quiet, verbose=verbose))
    told = stream.getvalue().replace("\n", "\r\n")  # as a terminal device does
    return "\n".join(draw(told, columns)).rstrip("\n") + "\n"


def in_a_log(environ: Mapping[str, str], *, quiet: bool = False, verbose: bool = False) -> str:
    stream = io.StringIO()
    folds = folds_of(environ, "apps/shop/")
    tell(Plain(stream, columns=100, folds=folds, stamps=folds is None, quiet=quiet, verbose=verbose))
    told = re.sub(r"\b[0-9a-f]{32}\b", "TOKEN", stream.getvalue())
    return re.sub(r"(section_(?:start|end)):\d+", r"\1:TIME", told).replace("\x1b", "<ESC>").replace("\r", "<CR>")


def expect(name: str, told: str) -> None:
    path = GOLDEN / name
    if os.environ.get("SHIPTASKS_GOLDEN") == "write":
        path.write_text(told, encoding="utf-8")
    assert told == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", [20, 80, 120])
def test_on_a_terminal(columns: int) -> None:
    shown = on_terminal(columns)
    expect(f"terminal-{columns}.txt", shown)
    assert SECRET not in shown


def test_on_a_terminal_while_it_runs() -> None:
    console = Console(Terminal(), columns=80)
    for event in begun():
        console.handle(event)
    lines = [re.sub("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]", "*", re.sub(r"\x1b\[[\d;]*m", "", line)) for line, _ in console.live_lines()]
    console.finished()
    assert [width for _, width in console.live_lines()] == [79] * 4
    expect("terminal-80-live.txt", "\n".join(lines) + "\n")


def test_without_a_terminal() -> None:
    expect("plain.txt", in_a_log({}))


def test_on_github() -> None:
    expect("github.txt", in_a_log({"GITHUB_ACTIONS": "true"}))


def test_on_gitlab() -> None:
    expect("gitlab.txt", in_a_log({"GITLAB_CI": "true"}))


def test_quiet() -> None:
    expect("plain-quiet.txt", in_a_log({}, quiet=True))
    expect("terminal-80-quiet.txt", on_terminal(80, quiet=True))


def test_verbose() -> None:
    expect("plain-verbose.txt", in_a_log({}, verbose=True))


def test_the_summary_in_markdown(tmp_path: Path) -> None:
    tell(StepSummary(tmp_path / "summary.md"))
    expect("summary.md", (tmp_path / "summary.md").read_text(encoding="utf-8"))
