"""What the lab remembers on disk: its home folder, its lock, and the processes it started (pid and start time)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab.proc import Echo, LabError, system_env


def home() -> Path:
    """The lab's folder: $SHIPTASKS_LAB_HOME, or /var/lib/shiptasks-lab; without root one in the user's cache folder."""
    chosen = os.environ.get("SHIPTASKS_LAB_HOME")
    if chosen:
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib/shiptasks-lab")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shiptasks-lab"


def folder(*parts: str) -> Path:
    """A folder below home(), made if it is missing."""
    path = home().joinpath(*parts)
    path.mkdir(parents=True, exist_ok=True)
    return path


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file as a whole: a reader sees the old text or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w") as out:
            out.write(text)
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def locked(echo: Echo) -> Iterator[None]:
    """Hold the lab's lock; a second `up` or `down` waits for the first. The kernel frees it when the holder dies."""
    path = home() / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            echo("lab: another process is changing the lab, waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Process:
    """A process that the lab started. `started` is in clock ticks since boot; with `boot` it makes the pid unique."""

    name: str
    pid: int
    started: int
    boot: str


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if there is none, or only its remains (a zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in brackets and may itself hold spaces and brackets.
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else int(fields[19])


def boot_id() -> str:
    """Which boot of this machine it is: after a reboot no recorded pid means anything."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def remember(name: str, pid: int) -> Process:
    """Record a running process under a name. Raises LabError if it has already ended."""
    started = start_time(pid)
    if started is None:
        raise LabError(f"{name} (pid {pid}) ended at once")
    process = Process(name, pid, started, boot_id())
    write(_record(name), json.dumps(asdict(process)))
    return process


def recall(name: str) -> Process | None:
    """What is recorded under a name, running or not."""
    try:
        return Process(**json.loads(_record(name).read_text()))
    except FileNotFoundError:
        return None


def forget(name: str) -> None:
    """Drop the record of a process."""
    _record(name).unlink(missing_ok=True)


def recorded(prefix: str = "") -> list[Process]:
    """All recorded processes whose name starts with prefix, running or not."""
    names = sorted(path.stem for path in (home() / "processes").glob(f"{prefix}*.json"))
    return [process for process in map(recall, names) if process is not None]


def alive(process: Process | None) -> bool:
    """Whether that very process still runs: a recycled pid has another start time, another boot another id."""
    return process is not None and process.boot == boot_id() and start_time(process.pid) == process.started


def running(name: str) -> Process | None:
    """The process recorded under a name, if it still runs."""
    process = recall(name)
    return process if alive(process) else None


def spawn(name: str, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> Process:
    """Start a long-lived process in a session of its own, its output added to `log`, and record it.

    posix_spawn rather than Popen: the process is meant to outlive us, and Popen objects complain about that.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    # It outlives a check that it is started in, which ends what carries its mark and removes its temporary folder.
    env = {key: value for key, value in (env or system_env()).items() if key not in ("SHIPTASKS_RUN", "TMPDIR")}
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    try:
        pid = os.posix_spawn(argv[0], list(argv), env, file_actions=actions, setsid=True)
    except FileNotFoundError:
        raise LabError(f"{argv[0]}: program not found") from None
    return remember(name, pid)


def send(process: Process, number: int) -> None:
    """Signal that very process, or nobody."""
    if alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def stop(name: str, *, grace: float = 10, number: int = signal.SIGTERM) -> bool:
    """End a recorded process: ask with `number`, and after `grace` seconds kill. True if it was running."""
    process = recall(name)
    was_running = alive(process)
    if process is not None and was_running:
        send(process, number)
        if not wait_end(process, grace):
            send(process, signal.SIGKILL)
            if not wait_end(process, 10):
                raise LabError(f"{name} (pid {process.pid}) does not end, even when killed")
    forget(name)
    return was_running


def wait_end(process: Process, timeout: float) -> bool:
    """Wait up to `timeout` seconds for a process to end; True if it did."""
    limit = time.monotonic() + timeout
    while alive(process):
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    return True


def _record(name: str) -> Path:
    return home() / "processes" / f"{name}.json"
