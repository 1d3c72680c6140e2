"""What every host does alike, on this machine and over SSH."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shiptasks.hosts import Cancelled, Host, HostError, ScriptFailed, Session, StepTimeout, quote
from tests.hosts.watch import alive, command_lines, eventually, sampling

# One session for every example: it is made to be used again.
property_of_session = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(
    ("script", "code", "stdout", "stderr"),
    [
        ("true", 0, "", ""),
        ("", 0, "", ""),
        ("# only a comment", 0, "", ""),
        ("exit 7", 7, "", ""),
        ("exit 255", 255, "", ""),
        ("echo out; echo err >&2", 0, "out\n", "err\n"),
        ("printf 'no end'; printf 'none here' >&2; exit 3", 3, "no end", "none here"),
        ("printf '\\n\\n'", 0, "\n\n", ""),
        ("printf 'a\\377b'", 0, "a\N{REPLACEMENT CHARACTER}b", ""),
        ("printf 'a\\000b'", 0, "a\0b", ""),
        ("cat", 0, "", ""),
        ("set -e; false; echo not reached", 1, "", ""),
        ("exec true", 0, "", ""),
        ("cat <<'EOF'\nin a heredoc: $HOME 'x' \"y\" \\\nEOF\n", 0, "in a heredoc: $HOME 'x' \"y\" \\\n", ""),
        ("echo 'æ — ☃'", 0, "æ — ☃\n", ""),
        ("kill -KILL $(exec sh -c 'echo $PPID')", 137, "", None),
    ],
)
def test_result(host: Host, script: str, code: int, stdout: str, stderr: str | None) -> None:
    with host.session() as session:
        result = session.run(script, check=False)
        assert session.run("echo on").stdout == "on\n"
    assert (result.exit_code, result.stdout) == (code, stdout)
    assert stderr is None or result.stderr == stderr
    assert result.seconds > 0


@pytest.mark.parametrize("script", ["if", "echo 'open", 'echo "open', "cat <<'EOF'\nopen", "( echo", "}", "echo $("])
def test_a_syntax_error_stays_inside(host: Host, script: str) -> None:
    with host.session() as session:
        assert session.run(f"{script}", check=False).exit_code in (0, 1, 2, 127)
        assert session.run("echo on").stdout == "on\n"
        session.eval_here(script, check=False)
        assert session.run("echo on").stdout == "on\n"


def test_a_syntax_error_is_told(host: Host) -> None:
    with host.session() as session, pytest.raises(ScriptFailed) as caught:
        session.run("if true; then")
    assert "yntax error" in caught.value.result.stderr


def test_nothing_leaks_from_one_script_to_the_next(host: Host) -> None:
    with host.session() as session:
        session.run("cd /; x=1; umask 000; set -eu; trap 'echo trapped' EXIT; exec >/dev/null 2>&1")
        result = session.run('printf "[%s]" "${x-}"; pwd; umask')
    assert result.stdout.startswith("[]/")
    assert "\n0000\n" not in result.stdout
    assert result.stdout.splitlines()[0] != "[]/"


def test_many_scripts_in_one_session(host: Host) -> None:
    with host.session() as session:
        for number in range(300):
            result = session.run(f"echo {number}; echo {number} >&2; exit {number % 256}", check=False)
            assert (result.exit_code, result.stdout, result.stderr) == (number % 256, f"{number}\n", f"{number}\n")


def test_output_that_looks_like_a_frame(host: Host) -> None:
    with host.session() as session:
        session.eval_here("set -x")
        for _ in range(3):
            result = session.run("printf '%s%s %s\\n' 0123456789abcdef 0123456789abcdefe 0; exit 4", check=False)
            assert result.exit_code == 4
            assert result.stdout == "0123456789abcdef0123456789abcdefe 0\n"


def test_both_streams_at_full_size(host: Host) -> None:
    script = "head -c 20000000 /dev/zero | tr '\\0' e >&2 & head -c 20000000 /dev/zero | tr '\\0' o; wait"
    lines: list[str] = []
    with host.session() as session:
        began = time.monotonic()
        result = session.run(script, on_line=lambda line, stream: lines.append(stream + line[:1]))
    assert (result.stdout, result.stderr) == ("o" * 20_000_000, "e" * 20_000_000)
    assert sorted(lines) == ["stderre", "stdouto"]
    assert time.monotonic() - began < 20


def test_a_million_lines_in_linear_time(host: Host) -> None:
    count = 0

    def line(text: str, stream: str) -> None:
        nonlocal count
        count += 1
        assert text == str(count)

    with host.session() as session:
        session.run("seq 1000000", on_line=line)
    assert count == 1_000_000


def test_lines_come_as_they_are_written(host: Host, tmp_path: Path) -> None:
    flag = tmp_path / "seen"
    script = f"echo ready; echo worried >&2; until [ -e {quote(str(flag))} ]; do sleep 0.01; done; printf end"
    told: list[tuple[str, str]] = []

    def line(text: str, stream: str) -> None:
        told.append((text, stream))
        if {("ready", "stdout"), ("worried", "stderr")} <= set(told):
            flag.touch()

    with host.session() as session:
        session.run(script, on_line=line, timeout=10)
    assert sorted(told[:2]) == [("ready", "stdout"), ("worried", "stderr")]
    assert told[2:] == [("end", "stdout")]


@pytest.mark.parametrize("error", [ValueError, TimeoutError, BrokenPipeError])
def test_an_error_in_a_listener_is_passed_on_and_ends_the_script(host: Host, error: type[Exception]) -> None:
    pids: list[int] = []

    def line(text: str, stream: str) -> None:
        pids.append(int(text))
        raise error("the listener's own")

    session = host.session()
    with pytest.raises((error, RuntimeError)) as caught:
        session.run("echo $$; sleep 1000", on_line=line)
    assert not isinstance(caught.value, HostError)
    assert eventually(lambda: not alive(pids[0]))


@property_of_session
@given(data=st.binary(max_size=2000))
def test_standard_input_arrives_unchanged(session: Session, data: bytes) -> None:
    assert session.run("od -An -v -tx1 | tr -d ' \\n'", stdin=data).stdout == data.hex()


def test_large_standard_input(host: Host) -> None:
    data = os.urandom(3_000_000)
    with host.session() as session:
        result = session.run("cksum | cut -d' ' -f2; exit 5", stdin=data, check=False)
        assert (result.stdout, result.exit_code) == ("3000000\n", 5)
        assert session.run("exit 6", stdin=data, check=False).exit_code == 6  # nobody reads it


@property_of_session
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_quoted_text_is_one_word(session: Session, text: str) -> None:
    result = session.run(f"set -- {quote(text)}; printf '%s:%s.' $# \"$1\"")
    assert result.stdout == f"1:{text}."


def test_a_nul_is_refused_before_anything_is_sent(host: Host) -> None:
    with host.session() as session:
        with pytest.raises(ValueError, match="NUL"):
            session.run("echo a\0b")
        assert session.run("echo on").stdout == "on\n"


def test_what_is_evaluated_here_stays(host: Host, tmp_path: Path) -> None:
    lock = quote(str(tmp_path / "lock"))
    take = f"exec 9>>{lock}; flock -n 9"
    with host.session() as other:
        with host.session() as session:
            session.eval_here(f"kept=yes; {take}")
            assert session.run('echo "$kept"').stdout == "yes\n"
            assert other.eval_here(take, check=False).exit_code == 1
        assert eventually(lambda: other.eval_here(take, check=False).ok)


def test_a_failed_script_tells_its_last_words_and_not_its_text(host: Host) -> None:
    with host.session() as session, pytest.raises(ScriptFailed) as caught:
        session.run("secret=hunter2; seq 50 >&2; exit 9")
    error = caught.value
    assert (error.where, error.result.exit_code) == (host.name, 9)
    assert error.details == tuple(str(number) for number in range(31, 51))
    assert "exit code 9" in error.what
    assert "hunter2" not in repr(vars(error))


def test_a_timeout_ends_everything_that_the_script_started(host: Host) -> None:
    pids: list[int] = []
    script = (
        "(trap '' TERM HUP; echo $(exec sh -c 'echo $PPID'); while :; do sleep 0.2; done) & sleep 1000 & echo $!; wait"
    )
    session = host.session()
    with pytest.raises(StepTimeout) as caught:
        session.run(script, timeout=0.5, on_line=lambda line, stream: pids.append(int(line)))
    assert len(pids) == 2
    assert [pid for pid in pids if alive(pid)] == []
    assert "0.5 s" in caught.value.what
    assert (caught.value.where, caught.value.details) == (host.name, tuple(map(str, pids)))
    with pytest.raises(HostError, match="cannot be used any more: a script ran into its timeout"):
        session.run("true")
    with host.session() as fresh:
        assert fresh.run("echo on").stdout == "on\n"


def test_cancel_from_another_thread(host: Host) -> None:
    pids: list[int] = []
    session = host.session()

    def line(text: str, stream: str) -> None:
        pids.append(int(text))
        threading.Thread(target=session.cancel).start()

    began = time.monotonic()
    with pytest.raises(Cancelled):
        session.run("sleep 1000 & echo $!; wait", on_line=line)
    assert time.monotonic() - began < 3
    assert eventually(lambda: not alive(pids[0]))
    with pytest.raises(HostError, match="cannot be used any more"):
        session.run("true")


def test_cancel_at_any_moment(host: Host) -> None:
    for step in range(8):
        session = host.session()
        timer = threading.Timer(step * 0.002, session.cancel)
        timer.start()
        with pytest.raises(HostError):
            session.run("sleep 987.6")
        timer.join()
        assert eventually(lambda: b"sleep\x00987.6\0" not in command_lines())


def test_cancelling_a_host_leaves_its_idle_sessions_alone(host: Host, tmp_path: Path) -> None:
    with host.session() as holder, host.session() as worker, ThreadPoolExecutor(1) as pool:
        holder.eval_here(f"exec 9>>{quote(str(tmp_path / 'lock'))}; flock -n 9")
        work = pool.submit(worker.run, "sleep 1000")
        assert eventually(lambda: worker.running)
        host.cancel()
        with pytest.raises(Cancelled):
            work.result(5)
        assert holder.eval_here("flock -n 9").ok


def test_an_interrupt_comes_through_at_once_and_ends_the_script(host: Host) -> None:
    pids: list[int] = []
    session = host.session()
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        session.run("sleep 1000 & echo $!; wait", on_line=lambda line, stream: pids.append(int(line)))
    assert time.monotonic() - began < 3
    assert not alive(pids[0])
    with pytest.raises(HostError, match="interrupted"):
        session.run("true")


def test_closing_ends_what_was_left_behind(host: Host) -> None:
    session = host.session()
    pid = int(session.run("sleep 1000 >/dev/null 2>&1 & echo $!").stdout)
    assert alive(pid)
    session.close()
    session.close()
    assert eventually(lambda: not alive(pid))
    with pytest.raises(HostError, match="cannot be used any more: it was closed"):
        session.run("true")


def test_a_shell_that_is_killed_is_told(host: Host) -> None:
    session = host.session()
    with pytest.raises(HostError, match="was lost while a script ran"):
        session.run("echo dying; kill -KILL $$; sleep 0.1", timeout=10)
    with pytest.raises(HostError, match="cannot be used any more: the connection was lost"):
        session.run("true")


def test_a_shell_that_ends_between_two_scripts_is_told(host: Host) -> None:
    session = host.session()
    pid = int(session.run("echo $$").stdout)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))
    with pytest.raises(HostError) as caught:
        session.run("true", stdin=bytes(500_000), timeout=10)
    assert "lost" in caught.value.what


def test_sessions_side_by_side(host: Host) -> None:
    def work(number: int) -> list[str]:
        with host.session() as session:
            return [session.run(f"echo {number}.{step}").stdout for step in range(20)]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [[f"{n}.{step}\n" for step in range(20)] for n in range(8)]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="command lines are read from /proc")
def test_no_secret_is_seen_in_a_command_line(host: Host, tmp_path: Path) -> None:
    secret = "hunter2-planted"
    with host.session() as session, sampling() as seen:
        for _ in range(5):
            session.run(f'password={secret}; sleep 0.05; echo "$password" >/dev/null; sleep 0.05')
            session.run("read -r password; sleep 0.1", stdin=secret.encode() + b"\n")
            session.put(secret.encode() * 10, str(tmp_path / "secret"), mode=0o600)
    assert b"sh\0-s\0" in seen
    assert b"sleep\x000.1\0" in seen
    assert [line for line in seen if secret.encode() in line] == []


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 5_000_000])
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o750])
def test_put(host: Host, tmp_path: Path, size: int, mode: int) -> None:
    path = tmp_path / "a 'file'\nwith \"all\" $(in) ; *-"
    data = os.urandom(size)
    with host.session() as session:
        session.put(b"before", str(path), mode=0o666)
        inode = path.stat().st_ino
        session.put(data, str(path), mode=mode)
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o7777 == mode
    assert path.stat().st_ino != inode
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("size", [10, 200_000])
def test_put_that_fails_changes_nothing(host: Host, tmp_path: Path, size: int) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with host.session() as session:
        for path, reason in ((folder, "folder"), (tmp_path / "missing" / "file", "No such file")):
            with pytest.raises(HostError, match="could not write") as caught:
                session.put(bytes(size), str(path))
            assert reason in caught.value.what + " ".join(caught.value.details)
            assert caught.value.now == "the file is as it was before"
        for name in ("relative", "/ends/", "/a\0b"):
            with pytest.raises(ValueError, match="absolute path"):
                session.put(b"", name)
        assert session.run("echo on").stdout == "on\n"
    assert list(tmp_path.iterdir()) == [folder]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("size", [60_000, 1_000_000])
def test_nobody_ever_sees_half_a_file(host: Host, tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    whole = {bytes([number]) * size for number in range(4)}
    path.write_bytes(bytes(size))
    seen: set[bytes] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=look)
    reader.start()
    try:
        with host.session() as session:
            for number in (1, 2, 3):
                session.put(bytes([number]) * size, str(path))
    finally:
        done.set()
        reader.join()
    assert len(seen) > 1
    assert seen <= whole
