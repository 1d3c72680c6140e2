from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from shiptasks.errors import Refused
from shiptasks.run.signals import confirm, guarded


def run_guarded(
    tmp_path: Path, signals: Sequence[int], *, ignore_hup: bool = False
) -> subprocess.CompletedProcess[str]:
    """A process that takes back for as long as it gets the signals, each sent when it asks for the next one."""
    script = tmp_path / "guarded.py"
    script.write_text(
        textwrap.dedent("""
        import sys, time
        from shiptasks.run.signals import guarded

        def ready(word):
            print(word, flush=True)
            sys.stdin.readline()
            time.sleep(0.2)

        try:
            with guarded():
                try:
                    ready("working")
                    print("not interrupted", flush=True)
                finally:
                    for _ in range(int(sys.argv[1])):
                        ready("taking back")
                    print("taken back", flush=True)
        except KeyboardInterrupt:
            sys.exit(130)
        """)
    )
    process = subprocess.Popen(
        [sys.executable, str(script), str(len(signals) - 1)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=(lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) if ignore_hup else None,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    seen = ""
    for number in signals:
        seen += process.stdout.readline()
        process.send_signal(number)
        if process.poll() is None:
            process.stdin.write("go\n")
            try:
                process.stdin.flush()
            except BrokenPipeError:
                break
    try:
        out, err = process.communicate(timeout=10)
    except ValueError:
        out, err = process.stdout.read(), ""
    return subprocess.CompletedProcess(process.args, process.returncode, seen + out, err)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_interrupts_once_and_lets_it_take_back(tmp_path: Path, number: int) -> None:
    done = run_guarded(tmp_path, [number])
    assert done.returncode == 130
    assert done.stdout == "working\ntaken back\n"


def test_a_second_one_is_answered_and_does_not_disturb(tmp_path: Path) -> None:
    done = run_guarded(tmp_path, [signal.SIGINT, signal.SIGTERM])
    assert done.returncode == 130
    assert done.stdout == "working\ntaking back\ntaken back\n"
    assert "already stopping, and taking back what was begun; press Ctrl-C again to leave it as it is" in done.stderr


def test_sigterm_never_forces(tmp_path: Path) -> None:
    done = run_guarded(tmp_path, [signal.SIGTERM] * 5)
    assert done.returncode == 130
    assert done.stdout.endswith("taken back\n")


def test_a_third_ctrl_c_leaves_it_as_it_is(tmp_path: Path) -> None:
    done = run_guarded(tmp_path, [signal.SIGINT] * 3)
    assert done.returncode == 130
    assert "taken back" not in done.stdout
    assert "given up by a third Ctrl-C" in done.stderr


def test_nohup_is_respected(tmp_path: Path) -> None:
    done = run_guarded(tmp_path, [signal.SIGHUP], ignore_hup=True)
    assert done.returncode == 0
    assert "not interrupted" in done.stdout


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with guarded(), guarded():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_another_thread_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def work() -> None:
        with guarded():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_yes_is_enough() -> None:
    confirm("Remove it all?", yes=True)


def test_nobody_is_asked_on_a_closed_or_redirected_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for stdin in (io.StringIO("y\n"), closed, None):
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(Refused) as caught:
            confirm("Remove it all?")
        assert caught.value.what == "this needs a yes: Remove it all?"
        assert caught.value.hint == "the same command with --yes"
        assert caught.value.exit_code == 3


@pytest.mark.parametrize(("typed", "agreed"), [(b"y\n", True), (b"YES\n", True), (b"\n", False), (b"no\n", False)])
def test_a_person_is_asked_on_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: bytes, agreed: bool) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        os.write(ours, typed)
        if agreed:
            confirm("Go on?")
        else:
            with pytest.raises(Refused, match="not confirmed"):
                confirm("Go on?")
    os.close(ours)
