from __future__ import annotations

import os
import signal
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from shiptasks.errors import Failed, Interrupted, UsageError
from shiptasks.run import process
from tests.run.pids import gone, read_pid

PY = sys.executable


def test_both_streams_come_line_by_line_and_whole(tmp_path: Path) -> None:
    lines: list[tuple[str, str]] = []
    result = process.run(
        [PY, "-c", "import sys; print('one'); print('zwei ä', file=sys.stderr); sys.stdout.write('last')"],
        cwd=tmp_path,
        on_line=lambda line, stream: lines.append((line, stream)),
    )
    assert result.stdout == "one\nlast"
    assert result.stderr == "zwei ä\n"
    assert sorted(lines) == [("last", "stdout"), ("one", "stdout"), ("zwei ä", "stderr")]
    assert result.ok
    assert not result.truncated


def test_standard_input_is_empty_unless_given(tmp_path: Path) -> None:
    read = [PY, "-c", "import sys; print(len(sys.stdin.buffer.read()))"]
    assert process.run(read, cwd=tmp_path).stdout == "0\n"
    assert process.run(read, cwd=tmp_path, stdin=b"x" * 3_000_000).stdout == "3000000\n"


def test_a_command_that_does_not_read_its_input_is_no_error(tmp_path: Path) -> None:
    assert process.run(["true"], cwd=tmp_path, stdin=b"x" * 3_000_000).ok


def test_arguments_are_never_seen_by_a_shell(tmp_path: Path) -> None:
    word = "$(touch pwned); `id` ' \" \\ *"
    assert process.run(["printf", "%s", word], cwd=tmp_path).stdout == word
    assert list(tmp_path.iterdir()) == []


def test_a_failure_names_the_command_its_code_and_last_words(tmp_path: Path) -> None:
    with pytest.raises(Failed) as caught:
        process.run(["sh", "-c", "echo out; echo why >&2; exit 3"], cwd=tmp_path)
    assert "failed with exit code 3" in caught.value.what
    assert caught.value.details == ("why",)


def test_ended_by_a_signal_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="was ended by SIGKILL"):
        process.run(["sh", "-c", "kill -9 $$"], cwd=tmp_path)


def test_a_missing_command_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(process.NotInstalled) as caught:
        process.run(["no-such-tool", "--x"], cwd=tmp_path, hint="apt-get install no-such-tool")
    assert caught.value.what == "the command 'no-such-tool' was not found"
    assert caught.value.now == "nothing was run"
    assert caught.value.hint == "apt-get install no-such-tool"


def test_a_missing_folder_is_not_taken_for_a_missing_command(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="does not exist") as caught:
        process.run(["true"], cwd=tmp_path / "nowhere")
    assert not isinstance(caught.value, process.NotInstalled)


def test_a_file_that_cannot_be_executed(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    with pytest.raises(Failed, match="could not be started: Permission denied"):
        process.run([str(tmp_path / "tool")], cwd=tmp_path)


def test_a_timeout_ends_the_whole_group(tmp_path: Path) -> None:
    with pytest.raises(process.ProcessTimeout, match=r"did not end within 0\.5 seconds") as caught:
        process.run(["sh", "-c", "sleep 60 & echo $! > pid; echo waiting; wait"], cwd=tmp_path, timeout=0.5)
    assert caught.value.details == ("waiting",)
    assert gone(read_pid(tmp_path / "pid"))


def test_what_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(process.ProcessTimeout):
        process.run(
            ["sh", "-c", "trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done"],
            cwd=tmp_path,
            timeout=0.3,
            grace=0.5,
        )
    assert time.monotonic() - began < 5
    assert gone(read_pid(tmp_path / "pid"))


def test_what_it_writes_while_it_ends_is_still_read(tmp_path: Path) -> None:
    # Blocked on a full pipe it could not end: 300 kB do not fit in one.
    script = "trap 'head -c 300000 /dev/zero; echo; echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    lines: list[str] = []
    with pytest.raises(process.ProcessTimeout):
        process.run(["bash", "-c", script], cwd=tmp_path, timeout=0.5, on_line=lambda line, _: lines.append(line))
    assert lines[0] == "ready"
    assert lines[-1] == "bye"


def test_what_a_command_leaves_in_the_background_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    result = process.run(["sh", "-c", "sleep 60 & echo $! > pid; echo done"], cwd=tmp_path)
    assert result.stdout == "done\n"
    assert time.monotonic() - began < 3
    assert gone(read_pid(tmp_path / "pid"))


def test_an_interrupt_of_the_main_thread_ends_the_group(tmp_path: Path) -> None:
    def interrupt() -> None:
        read_pid(tmp_path / "pid")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        process.run(["sh", "-c", "sleep 60 & echo $! > pid; wait"], cwd=tmp_path)
    thread.join()
    assert gone(read_pid(tmp_path / "pid"))


def test_a_listener_that_raises_ends_the_group_and_is_not_called_again(tmp_path: Path) -> None:
    calls: list[str] = []

    def on_line(line: str, _: str) -> None:
        calls.append(line)
        raise ValueError(line)

    with pytest.raises(ValueError, match="one"):
        process.run(["sh", "-c", "echo $$ > pid; echo one; echo two; sleep 60"], cwd=tmp_path, on_line=on_line)
    assert calls == ["one"]
    assert gone(read_pid(tmp_path / "pid"))


def test_a_stop_ends_it(tmp_path: Path) -> None:
    stop = process.Stop()
    token = process.current_stop.set(process.Stop(around=stop))
    try:
        threading.Timer(0.3, stop.set).start()
        with pytest.raises(Interrupted, match="was stopped"):
            process.run(["sh", "-c", "sleep 60 & echo $! > pid; wait"], cwd=tmp_path)
    finally:
        process.current_stop.reset(token)
    assert gone(read_pid(tmp_path / "pid"))


def test_much_output_costs_linear_time_and_bounded_memory(tmp_path: Path) -> None:
    script = "import sys\nline = 'x' * 99 + '\\n'\nfor _ in range(600): sys.stdout.write(line * 1000)\nprint('end')"
    count = 0

    def on_line(_line: str, _stream: str) -> None:
        nonlocal count
        count += 1

    tracemalloc.start()
    try:
        began = time.monotonic()
        result = process.run([PY, "-c", script], cwd=tmp_path, on_line=on_line, keep=10_000)
        seconds = time.monotonic() - began
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 600_001  # 60 MB: invoke's own runner would take minutes
    assert result.stdout.endswith("x\nend\n")
    assert len(result.stdout) <= 10_000
    assert result.truncated
    assert peak < 5_000_000
    assert seconds < 30


def test_a_line_without_an_end_is_cut_into_pieces(tmp_path: Path) -> None:
    lines: list[str] = []
    process.run(["head", "-c", "200000", "/dev/zero"], cwd=tmp_path, on_line=lambda line, _: lines.append(line))
    assert sum(map(len, lines)) == 200_000
    assert max(map(len, lines)) == 65_536


def test_of_a_progress_bar_the_last_state_is_the_line(tmp_path: Path) -> None:
    lines: list[str] = []
    process.run(["printf", "10%%\r50%%\r100%%\r\nnext\n"], cwd=tmp_path, on_line=lambda line, _: lines.append(line))
    assert lines == ["100%", "next"]


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    assert process.run(["printf", r"\377ok"], cwd=tmp_path).stdout == "�ok"


def test_the_environment_is_the_given_one(tmp_path: Path) -> None:
    result = process.run(["/usr/bin/env"], cwd=tmp_path, env={"ONLY": "this"})
    assert result.stdout == "ONLY=this\n"


def test_a_command_string_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        process.run("echo hi", cwd=tmp_path)


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("ruff check .", ("ruff", "check", ".")),
        ("pytest -k 'a and b'", ("pytest", "-k", "a and b")),
        ("mypy --strict src", ("mypy", "--strict", "src")),
    ],
)
def test_a_plain_command_runs_without_a_shell(text: str, argv: tuple[str, ...]) -> None:
    assert process.command_line(text) == argv


@pytest.mark.parametrize(
    "text",
    ["a | b", "a && b", "a; b", "A=1 b", "echo $HOME", "ls *.py", "cd api", "! grep x y", "a > b", "echo `id`", "ls ~"],
)
def test_shell_syntax_is_a_matter_for_bash(text: str) -> None:
    assert process.command_line(text) == ("bash", "-o", "pipefail", "-c", text)


def test_a_failure_anywhere_in_a_pipe_is_a_failure(tmp_path: Path) -> None:
    assert process.run(process.command_line("false | true"), cwd=tmp_path, check=False).exit_code == 1


@pytest.mark.parametrize("text", ["echo 'open", "", "   "])
def test_commands_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError):
        process.command_line(text)
