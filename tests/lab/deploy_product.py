"""A product small enough to be deployed many times: one HTTP service, one worker, one store; it can be told to break.

`Product` writes its repository, builds its versions and runs `inv` in it, as a person would; `observed` and `host`
tell what is true afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab import access
from tests.lab.load import Load
from tests.lab.sshhost import Host

INV = str(Path(sys.executable).with_name("inv"))

APP = '''\
"""Answers GET /health and POST /echo; behaviour.json, in the image, says how this version misbehaves."""
import json, os, pathlib, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

B = json.loads(pathlib.Path("/behaviour.json").read_text())
BEGAN = time.monotonic()
NAME = os.uname().nodename
VERSION = B.get("version", os.environ["VERSION"])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        if self.path.startswith("/slow"):
            time.sleep(float(self.path.partition("=")[2]))
        ready = B.get("ready", True) and time.monotonic() - BEGAN < B.get("sick_after", 1e9)
        self.answer(200 if ready or self.path != "/health" else 503, {"version": VERSION, "on": NAME})

    def do_POST(self):
        got = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, {"version": VERSION, "got": len(got)})

    def log_message(self, *_):
        pass


def stop(*_):
    if not B.get("deaf"):
        print("stopping", flush=True)
        os._exit(0)


signal.signal(signal.SIGTERM, stop)
print("starting", VERSION, sys.argv[1:], flush=True)
if sys.argv[1:] == ["migrate"]:
    time.sleep(B.get("migrate_takes", 0))
    print("migrating", flush=True)
    sys.exit("column users.name exists already" if B.get("migrate") == "fails" else 0)
if sys.argv[1:] == ["worker"]:
    if B.get("worker") == "crashes":
        sys.exit("worker: no such queue")
    while True:
        time.sleep(60)
if B.get("start") == "crashes":
    sys.exit("config error: DATABASE_URL is not a URL")
if B.get("starts") == "once" and pathlib.Path("/began").exists():
    sys.exit("cannot start twice")
pathlib.Path("/began").touch()
time.sleep(B.get("start_takes", 0.1))
if "crash_after" in B:
    threading.Timer(B["crash_after"], lambda: (print("out of cheese", flush=True), os._exit(9))).start()
ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer(("", 8000), Handler).serve_forever()
'''

# No curl in the image, and a Python started ten times a second would cost more than the service.
PROBE = (
    "exec 3<>/dev/tcp/127.0.0.1/8000; printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3; "
    "read -r line <&3; echo $line; case $line in *200*) exit 0;; esac; exit 1"
)
DOCKERFILE = """\
FROM python:3.13-slim
COPY app.py probe.sh /
HEALTHCHECK --interval=1s --timeout=2s --start-period=3s --start-interval=100ms --retries=2 CMD ["bash", "/probe.sh"]
STOPSIGNAL SIGTERM
CMD ["python", "-u", "/app.py"]
ARG VERSION
ENV VERSION=$VERSION
COPY behaviour.json /
"""
COMPOSE = """\
services:
  redis:
    image: redis:7
    command: ["redis-server", "--save", "", "--appendonly", "yes", "--loglevel", "warning"]
    volumes: ["data:/data"]
    healthcheck: {test: ["CMD", "redis-cli", "ping"], interval: 5s, start_period: 20s, start_interval: 100ms}
  api:
    image: api
    restart: unless-stopped
    stop_grace_period: 5s
    environment: {PASSWORD: "${POSTGRES_PASSWORD:-}", GREETING: "${GREETING:-}"}
    depends_on: [redis]
  worker:
    image: worker
    restart: unless-stopped
    stop_grace_period: 5s
    command: ["python", "-u", "/app.py", "worker"]
    healthcheck: {disable: true}
volumes:
  data:
"""
PYPROJECT = """\
[tool.shiptasks]
project = "@project@"
@top@
[tool.shiptasks.services.api]
context = "app"
port = 8000
health = "/health"
routes = @routes@
replicas = @replicas@
@api@
@worker@
[tool.shiptasks.proxy]
port = @port@
@proxy@
[tool.shiptasks.deploy]
stabilise = "@stabilise@"
min-disk = "100MB"
drain-timeout = "10s"
@deploy@
[tool.shiptasks.environments.local]
@environment@
@end@
"""
LOAD = ("/health", "/", 'POST /echo {"n": 1}')
RATE = 300
"""Requests a second that have to be served all the time where a test says that none was lost."""


@dataclass(frozen=True)
class Ended:
    """How a command ended. `seconds` is its wall time."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def text(self) -> str:
        return self.out + self.err

    def __str__(self) -> str:
        return f"exit {self.code} after {self.seconds:.1f} s\n{self.text}"


@dataclass(frozen=True)
class Observed:
    """What is true where the product is deployed. Equal when nothing has changed."""

    containers: frozenset[tuple[str, str, str, str]]
    """Id, name, version label and state of each container, running or not."""
    current: str
    releases: frozenset[str]
    history: tuple[str, ...]
    """`kind version` of each line of history.jsonl."""

    def running(self, service: str) -> list[str]:
        """Versions of the running containers of a service."""
        return sorted(v for _, name, v, state in self.containers if f"-{service}-" in name and state == "running")

    @property
    def names(self) -> list[str]:
        return sorted(name for _, name, _, _ in self.containers)

    @property
    def version(self) -> str:
        return self.current.partition("-")[2]


class Engine:
    """Where the product runs when it is deployed to `local`: this machine's own engine and files."""

    def __init__(self, product: Product) -> None:
        self.base = product.root / ".shiptasks" / "local" / "local"
        self.address = "127.0.0.1"

    def docker(self, *words: str) -> str:
        return run("docker", *words).out

    def sh(self, script: str) -> Ended:
        return run("sh", "-c", script)


class Remote:
    """Where the product runs when it is deployed over SSH: a host of the lab."""

    def __init__(self, product: Product, host: Host) -> None:
        self.lab = host
        self.base = f"/srv/{product.project}"
        self.address = host.address
        self.entry = f"{access.USER}@{host.address}"

    def docker(self, *words: str) -> str:
        return self.lab.docker(*words)

    def sh(self, script: str) -> Ended:
        began = time.monotonic()
        done = self.lab.exec(["sh", "-c", script], check=False)
        return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


class Product:
    """The repository of the product, with a project name and a proxy port of its own."""

    def __init__(self, root: Path, *, port: int = 0, prefix: str = "t") -> None:
        self.root = root
        self.project = f"{prefix}{secrets.token_hex(3)}"
        self.port = port or free_port()
        self.settings: dict[str, str] = {
            "replicas": "2",
            "stabilise": "500ms",
            "routes": '["/"]',
            "worker": '[tool.shiptasks.services.worker]\ncontext = "app"',
        }
        self.compose = COMPOSE
        self.env = "local"
        self.host: Engine | Remote = Engine(self)
        (root / "app").mkdir(parents=True)
        self._write("tasks.py", "import shiptasks\n\nns = shiptasks.namespace()\n")
        self._write("app/app.py", APP)
        self._write("app/probe.sh", PROBE)
        self._write("app/Dockerfile", DOCKERFILE)
        self.configure()

    def _write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)

    def configure(self, **settings: str) -> None:
        """Write the configuration anew. Settings are texts for the places in PYPROJECT, and stay until changed."""
        self.settings |= settings
        values = {"project": self.project, "port": str(self.port), **self.settings}
        self._write("pyproject.toml", re.sub(r"@(\w+)@", lambda found: values.get(found[1], ""), PYPROJECT))
        self._write("compose.yaml", self.compose)

    def build(self, version: str, /, *flags: str, **behaviour: object) -> None:
        self._write("app/behaviour.json", json.dumps(behaviour))
        ended = self.inv("build", f"--version={version}", *flags, timeout=120)
        assert ended.code == 0, ended

    def argv(self, task: str, *words: str) -> list[str]:
        env = [f"--env={self.env}"] if task in ("deploy", "rollback", "status", "down", "verify") else []
        return [INV, task, *(word for word in env if not any(w.startswith("--env") for w in words)), *words]

    def inv(self, task: str, *words: str, timeout: float = 60, **environ: str) -> Ended:
        """Run a task to its end, with standard input closed."""
        return finished(self.start(task, *words, **environ), timeout)

    def start(self, task: str, *words: str, **environ: str) -> subprocess.Popen[str]:
        """Start a task, with standard input closed, in a process group of its own."""
        return subprocess.Popen(
            ["sh", "-c", 'exec "$@" <&-', "sh", *self.argv(task, *words)],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": "", "NO_COLOR": "1", **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def observed(self) -> Observed:
        """Look at the host."""
        listed = self.host.docker(
            "ps", "--all", "--no-trunc", "--filter", f"label=com.docker.compose.project={self.project}", "--format",
            '{{.ID}}\t{{.Names}}\t{{.Label "shiptasks.version"}}\t{{.State}}',
        )  # fmt: skip
        rows = [line.split("\t") for line in listed.splitlines()]
        base = self.host.base
        files = self.host.sh(f"readlink {base}/current; echo --; ls {base}/releases; echo --; cat {base}/history.jsonl")
        current, releases, history = files.out.split("--\n")
        entries = [json.loads(line) for line in history.splitlines()]
        return Observed(
            frozenset((row[0], row[1], row[2], row[3]) for row in rows),
            current.strip().rpartition("/")[2],
            frozenset(releases.split()),
            tuple(f"{entry['kind']} {entry['version']}" for entry in entries),
        )

    def journal_end(self) -> str:
        """The phase of the journal's last line."""
        return str(json.loads(self.host.sh(f"tail -n 1 {self.host.base}/journal.jsonl").out)["phase"])

    def lock_is_free(self) -> bool:
        """Whether nobody holds the lock, and nobody's name is left on it."""
        base = self.host.base
        return self.host.sh(f"flock -n {base}/lock true && [ ! -e {base}/lock.json ]").code == 0

    @property
    def url(self) -> str:
        return f"http://{self.host.address}:{self.port}"

    def served(self, times: int = 6) -> set[str]:
        """The versions that answer, asked on new connections."""
        found = set()
        for _ in range(times):
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:
                found.add(str(json.load(answer)["version"]))
        return found

    def serving(self, times: int = 12) -> set[str]:
        """The containers that answer, asked on new connections: the first letters of their ids."""
        found = set()
        for _ in range(times):
            with urllib.request.urlopen(f"{self.url}/", timeout=5) as answer:
                found.add(str(json.load(answer)["on"]))
        return found

    def assert_serves(self, version: str, *, replicas: int = 2) -> Observed:
        """This version serves whole: as many containers as there should be, none else, current, journal and lock."""
        seen = self.observed()
        assert self.served() == {version}
        assert seen.running("api") == [version] * replicas
        workers = [version] if self.settings["worker"] else []
        assert seen.running("worker") == workers
        assert len(seen.names) == replicas + 2 + len(workers), f"leftovers: {seen.names}"
        assert seen.version == version
        assert self.journal_end() in ("done", "taken-back")
        assert self.lock_is_free()
        return seen

    def run_log(self) -> str:
        """The events of the latest run, as JSON lines."""
        runs = sorted((self.root / ".shiptasks" / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return (runs[-1] / "events.jsonl").read_text() if runs else ""

    def until_step(self, process: subprocess.Popen[str], pattern: str, *, kind: str = "Started") -> None:
        """Wait until a running task tells the start (or the end) of a step whose title matches."""
        runs = self.root / ".shiptasks" / "runs"
        before = set(runs.iterdir()) if runs.is_dir() else set()
        new: set[Path] = set()
        end = time.monotonic() + 30
        while time.monotonic() < end:
            new = new or {path for path in (runs.iterdir() if runs.is_dir() else ()) if path not in before}
            for path in new:
                with contextlib.suppress(OSError):
                    if _has_step((path / "events.jsonl").read_text(), pattern, kind):
                        return
            if process.poll() is not None:
                break
            time.sleep(0.01)
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"no step {pattern!r} came\n{out}{err}")

    def remove(self) -> None:
        """Take it off the engine, by its own task, and then whatever is left, by label."""
        try:
            ended = self.inv("down", "--volumes", "--yes", timeout=120)
        finally:
            sweep(self.host, self.project)
        for line in run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").out.split():
            if f"{self.project}-" in line:
                run("docker", "image", "rm", "--force", line)
        assert ended.code == 0, ended


@contextlib.contextmanager
def made(root: Path, *versions: str, **settings: str) -> Iterator[Product]:
    """A product with good builds of some versions, removed at the end."""
    product = Product(root / "product")
    if settings:
        product.configure(**settings)
    try:
        for version in versions:
            product.build(version)
        yield product
    finally:
        product.remove()


@contextlib.contextmanager
def under_load(product: Product, *, may_fail: int = 0) -> Iterator[None]:
    """Load on the product during the block; not one request may fail, and they must have been enough to tell."""
    with Load(product.url, LOAD, rate=RATE * 1.35) as load:
        until(lambda: load.figures().rate > RATE, "the load does not run up")
        yield
        figures = load.figures()
    assert figures.failed <= may_fail, figures
    # What breaks with the traffic on it slows the load down, too.
    assert figures.rate >= RATE or may_fail, figures


def until(condition: Callable[[], bool], problem: str, *, seconds: float = 10) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, problem
        time.sleep(0.05)


def sweep(host: Engine | Remote, project: str) -> None:
    """Remove everything that carries the project's label."""
    label = f"label=com.docker.compose.project={project}"
    for ids, remove in (
        (host.docker("ps", "-aq", "--filter", label), ("rm", "-fv")),
        (host.docker("network", "ls", "-q", "--filter", label), ("network", "rm")),
        (host.docker("volume", "ls", "-q", "--filter", label), ("volume", "rm", "-f")),
    ):
        if ids.split():
            host.docker(*remove, *ids.split())


def finished(process: subprocess.Popen[str], timeout: float = 60) -> Ended:
    """Wait for a started task."""
    began = time.monotonic()
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        raise AssertionError(f"no end after {timeout:g} s\n{out}{err}") from None
    return Ended(process.returncode, out, err, time.monotonic() - began)


def run(*argv: str, timeout: float = 60, cwd: Path | None = None) -> Ended:
    """Run a program of the test's own."""
    began = time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, cwd=cwd, stdin=subprocess.DEVNULL)
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def free_port() -> int:
    """A TCP port that nobody listens on, outside the range that connections take theirs from."""
    for _ in range(100):
        port = 20000 + secrets.randbelow(10000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port
    raise AssertionError("no free port")


def copied(product: Product, root: Path) -> Path:
    """The product's repository once more, without what was built and deployed."""
    return Path(shutil.copytree(product.root, root, ignore=shutil.ignore_patterns(".shiptasks")))


def _has_step(log: str, pattern: str, kind: str) -> bool:
    titles: dict[str, str] = {}
    for line in log.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event["event"] == "StepStarted":
            titles[event["step"]] = event["title"]
        if event["event"] == f"Step{kind}" and re.search(pattern, titles.get(event["step"], "")):
            return True
    return False
