"""`inv demo`: the demo repository's whole way, for real and under load, with a table of what happened at the end.

Every step is `inv …` in examples/demo-repo, as a reader would type it. The next versions are built from a working
copy in .demo/, where a developer "has made a change". Exit 0 only if every step ended as described and no request
failed.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context

from shiptasks.errors import Failed, ShiptasksError, UsageError
from shiptasks.tasks import task

if TYPE_CHECKING:
    from tests.lab.load import Figures, Load

ROOT = Path(__file__).resolve().parent.parent
SHOP = ROOT / "examples" / "demo-repo"
COPY = ROOT / ".demo" / "shop"
LOAD = ("/api/products", "/health", "/", "/api/products", 'POST /api/orders {"product_id": 1, "quantity": 1}')
RATE = 400.0
LEAST_RATE = 300.0
LOAD_SECONDS = 900.0

if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@dataclass
class Row:
    """A line of the table at the end."""

    step: str
    seconds: float
    figures: Figures | None
    answers: str
    problems: list[str] = field(default_factory=list)


@task(default=True, help={"env": "local (this machine, no SSH) or staging (a lab host over SSH, a real registry)"})
def demo(_: Context, env: str = "local") -> None:
    """Check, build, deploy, update under load, break, take back and roll back the demo product."""
    if env not in ("local", "staging"):
        raise UsageError(f"the demo has no environment {env!r}", now="nothing was run", hint="ENV=local or ENV=staging")
    base = _prepare(env)
    push = ("--push",) if env == "staging" else ()
    to = f"--env={env}"
    story = _Story(base)
    with story:
        story.step("check", ["check"])
        story.step("build 1.0.0", ["build", "--version=1.0.0", *push])
        story.step("deploy 1.0.0", ["deploy", to, "--version=1.0.0"], serves="1.0.0")
        story.begin_load()
        story.step("verify", ["verify", to], serves="1.0.0")
        _change(
            "web/src/index.html", "house and garden", "house, garden and kitchen", "1.1.0: we sell for the kitchen too"
        )
        story.step("build 1.1.0", ["build", "--version=1.1.0", *push], cwd=COPY)
        story.step("rolling deploy 1.1.0", ["deploy", to, "--version=1.1.0"], serves="1.1.0", busy=True)
        _change(
            "api/shop_api/store.py", "price_cents", "price_in_cents", "1.2.0: a clearer name (and nobody ran the tests)"
        )
        story.step("build 1.2.0, broken", ["build", "--version=1.2.0", *push], cwd=COPY)
        story.step(
            "deploy 1.2.0, refused",
            ["deploy", to, "--version=1.2.0"],
            serves="1.1.0",
            exits=4,
            busy=True,
            never="1.2.0",
        )
        story.step("rollback to 1.0.0", ["rollback", to], serves="1.0.0", busy=True)
    print(story.table())
    problems = [f"{row.step}: {problem}" for row in story.rows for problem in row.problems]
    if problems:
        raise Failed(
            "the demo did not go as described", details=tuple(problems), now=f"see {base} and inv status in {SHOP}"
        )
    total = sum(row.figures.served for row in story.rows if row.figures)
    print(f"\n{total} requests were served during all this, none failed. 1.0.0 serves at {base}")
    print(f"Look around: cd {SHOP.relative_to(ROOT)} && inv status {to}; `make clean` removes everything.")


class _Story:
    """Runs the steps, watches the load beside them, and keeps the rows of the table."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.rows: list[Row] = []
        self._load: Load | None = None

    def __enter__(self) -> _Story:
        return self

    def __exit__(self, *_: object) -> None:
        if self._load is not None:
            self._load.stop()

    def begin_load(self) -> None:
        from tests.lab.load import Load

        self._load = Load(self.base, LOAD, rate=RATE, seconds=LOAD_SECONDS)
        time.sleep(1)

    def step(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        serves: str = "",
        exits: int = 0,
        busy: bool = False,
        never: str = "",
        cwd: Path = SHOP,
    ) -> None:
        """Run `inv` and hold the outcome against what was promised. Stops the story where going on makes no sense."""
        print(
            f"\n\033[1m$ inv {' '.join(arguments)}\033[0m" if sys.stdout.isatty() else f"\n$ inv {' '.join(arguments)}"
        )
        sys.stdout.flush()
        if self._load is not None:
            self._load.figures()
        began = time.monotonic()
        code = subprocess.run(
            [sys.executable, "-m", "invoke", *arguments], cwd=cwd, stdin=subprocess.DEVNULL
        ).returncode
        row = Row(name, time.monotonic() - began, self._load.figures() if self._load else None, _version_at(self.base))
        self.rows.append(row)
        if code != exits:
            row.problems.append(f"exit code {code}, expected {exits}")
        if serves and row.answers != serves:
            row.problems.append(f"{row.answers or 'nothing'} answers, expected {serves}")
        if row.figures:
            row.problems += [f"{count} requests failed: {reason}" for reason, count in row.figures.errors.items()]
            if busy and row.figures.rate < LEAST_RATE:
                row.problems.append(f"only {row.figures.rate:.0f} requests a second were served")
            if never and never in row.figures.versions:
                row.problems.append(f"{never} got traffic")
        if code != exits and exits == 0:
            print(self.table())
            raise Failed(f"the demo stops: `inv {' '.join(arguments)}` ended with {code}", where=str(cwd))

    def table(self) -> str:
        from shiptasks.run.table import table

        rows = []
        for row in self.rows:
            figures = row.figures
            rows.append(
                (
                    "✗" if row.problems else "✓",
                    row.step,
                    f"{row.seconds:.1f} s",
                    str(figures.served) if figures else "-",
                    f"{figures.rate:.0f}/s" if figures else "-",
                    str(figures.failed) if figures else "-",
                    row.answers or "-",
                )
            )
        header = ("", "step", "time", "served", "rate", "failed", "answers")
        return "\n" + table(header, rows, right=("time", "served", "rate", "failed"))


def _inv(arguments: Sequence[str], cwd: Path) -> int:
    """Run `inv` as a person would; an interrupted one is given the time to take back what it had begun."""
    process = subprocess.Popen([sys.executable, "-m", "invoke", *arguments], cwd=cwd, stdin=subprocess.DEVNULL)
    try:
        return process.wait()
    except KeyboardInterrupt:
        # Ctrl-C has reached it too; a SIGTERM to this process alone has not. A second one only makes it say so.
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise


def _prepare(env: str) -> str:
    """Engine, images, working copy, environment file; for staging the lab. Returns the address to ask."""
    from tests.lab import lab
    from tests.lab.proc import LabError

    try:
        found = lab.up(_say, hosts=1 if env == "staging" else 0)
    except LabError as error:
        raise Failed(str(error), now="nothing was run") from error
    _environment_file(env)
    if env == "local":
        _remove_strangers()
    local = SHOP / "shiptasks.local.toml"
    local.unlink(missing_ok=True)
    base = "http://localhost:8080"
    if env == "staging":
        base = f"http://{found.hosts[0].address}"
        local.write_text(_staging(found.hosts[0].address, found.registry.name if found.registry else ""))
        found.hosts[0].load_images(["postgres:17", "redis:7", "haproxy:3.0"])
    _working_copy()
    return base


def _staging(address: str, registry: str) -> str:
    """What an engineer would write beside pyproject.toml to use a server and a registry of their own."""
    from tests.lab import access

    return f"""\
# Written by the demo: `staging` is a lab host, and images go to the lab's registry.
registry = "{registry}/acme"

[ssh]
config = "{access.ssh_config()}"
known-hosts = ["{access.known_hosts()}"]
key = "{access.client_key()}"

[environments.staging]
hosts = ["{access.USER}@{address}"]
url = "http://{address}"
"""


def _environment_file(env: str) -> None:
    """The environment file with a password of its own. It is kept outside, as the database's volume is: a second
    clone on this machine finds the data, and needs the password that was set when it was made."""
    kept, path = _secrets() / f"env.{env}", SHOP / f".env.{env}"
    if not kept.exists():
        volume = ["docker", "volume", "inspect", "shop_db-data"]
        if env == "local" and subprocess.run(volume, capture_output=True).returncode == 0:
            raise Failed(
                "the data of an earlier demo is here, but its password is not",
                where="volume shop_db-data",
                now="nothing was run",
                hint="`make clean` removes it, then try again",
            )
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = (SHOP / ".env.template").read_text()
        kept.touch(mode=0o600)
        kept.write_text(text.replace("POSTGRES_PASSWORD=\n", f"POSTGRES_PASSWORD={secrets.token_hex(24)}\n"))
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(kept.read_text())


def _secrets() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "shiptasks-demo"


def _remove_strangers() -> None:
    """Containers of a demo that another clone on this machine has left make room; their data stays."""
    labels = ("label=com.docker.compose.project=shop", "label=shiptasks.environment=local")
    argv = ["docker", "ps", "--all", "--quiet", *(f"--filter={label}" for label in labels)]
    there = subprocess.run(argv, capture_output=True, text=True).stdout.split()
    if there and not (SHOP / ".shiptasks" / "local" / "local" / "current").exists():
        print("an earlier demo from another checkout runs here: its containers are removed")
        _inv(["down", "--env=local", "--yes"], SHOP)


def _working_copy() -> None:
    """The repository as a developer has it, with a history; it shares builds and run logs with the demo repository."""
    shutil.rmtree(COPY, ignore_errors=True)
    ignore = shutil.ignore_patterns(
        ".shiptasks", ".env.local", ".env.staging", "__pycache__", ".pytest_cache", ".ruff_cache"
    )
    shutil.copytree(SHOP, COPY, ignore=ignore)
    (SHOP / ".shiptasks").mkdir(exist_ok=True)
    (COPY / ".shiptasks").symlink_to(SHOP / ".shiptasks")
    _git("init", "--quiet")
    _git("add", "--all")
    _git("commit", "--quiet", "--message", "1.0.0")


def _change(path: str, old: str, new: str, message: str) -> None:
    """Commit a change to the working copy."""
    file = COPY / path
    text = file.read_text()
    if old not in text:
        raise Failed(f"the demo's change does not fit {path} any more: {old!r} is not in it")
    file.write_text(text.replace(old, new))
    _git("commit", "--quiet", "--all", "--message", message)
    print(f"\n  (a change is made: {message})")


def _git(*words: str) -> None:
    who = {"NAME": "Demo", "EMAIL": "demo@example.com"}
    env = {
        **os.environ,
        **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()},
    }
    subprocess.run(["git", *words], cwd=COPY, check=True, env=env)


def _version_at(base: str) -> str:
    try:
        with urllib.request.urlopen(f"{base}/health", timeout=5) as answer:
            return str(json.load(answer)["version"])
    except (OSError, ValueError, KeyError):
        return ""


@task
def clean(_: Context) -> None:
    """Remove everything that the demo and the lab made on this machine; caches stay."""
    from tests.lab import engine, lab
    from tests.lab.proc import LabError

    try:
        if engine.probe() is not None:
            # Staging's host goes as a whole, with the lab.
            _inv(["down", "--env=local", "--volumes", "--yes"], SHOP)
            _remove_images()
        lab.down(_say)
    except LabError as error:
        raise ShiptasksError(str(error)) from error
    for path in (SHOP / ".env.local", SHOP / ".env.staging", SHOP / "shiptasks.local.toml"):
        path.unlink(missing_ok=True)
    for folder in (ROOT / ".demo", SHOP / ".shiptasks", _secrets()):
        shutil.rmtree(folder, ignore_errors=True)


def _remove_images() -> None:
    argv = ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]
    known = subprocess.run(argv, capture_output=True, text=True).stdout.split()
    ours = [name for name in known if "/shop-" in name and name.rpartition(":")[2] in ("1.0.0", "1.1.0", "1.2.0")]
    if ours:
        subprocess.run(["docker", "image", "rm", *ours], stdout=subprocess.DEVNULL)


def _say(text: str) -> None:
    print(text, flush=True)


ns = Collection("demo", demo, clean)
