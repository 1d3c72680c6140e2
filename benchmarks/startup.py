"""What `inv --list` costs with shiptasks: CPU time against one trivial task, `nox -l` and `duty -l`, pair by pair.

`python benchmarks/startup.py [rounds]` lists the tasks of throw-away repositories, one after the other in each round,
after one round to warm up. What counts are the ratios within one run; the goal is 1.25 for shiptasks.
"""

from __future__ import annotations

import compileall
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import shiptasks

GOAL = 1.25
BIN = Path(sys.executable).parent
TWO_LINES = "import shiptasks\nns = shiptasks.namespace()\n"


@dataclass(frozen=True)
class Case:
    """A command in a repository of its own."""

    name: str
    files: Mapping[str, str]
    argv: Sequence[str]


def cases() -> list[Case]:
    """The first is what the others are compared with."""
    inv = (str(BIN / "inv"), "--list")
    trivial = 'from invoke import task\n\n@task\ndef hello(c):\n    """Say hello."""\n'
    return [
        Case("inv, one trivial task", {"tasks.py": trivial}, inv),
        Case("inv, shiptasks", {"tasks.py": TWO_LINES, "pyproject.toml": config(1, 1)}, inv),
        Case("inv, shiptasks, 50 services", {"tasks.py": TWO_LINES, "pyproject.toml": config(50, 10)}, inv),
        Case(
            "nox, one session",
            {"noxfile.py": "import nox\n\n@nox.session\ndef hello(session):\n    pass\n"},
            (str(BIN / "nox"), "--list"),
        ),
        Case(
            "duty, one duty",
            {"duties.py": 'from duty import duty\n\n@duty\ndef hello(ctx):\n    """Say hello."""\n'},
            (str(BIN / "duty"), "--list"),
        ),
    ]


def config(services: int, environments: int) -> str:
    """A pyproject.toml of that size."""
    lines = ["[tool.shiptasks]", 'project = "shop"']
    for number in range(services):
        lines += [f"[tool.shiptasks.services.app-{number}]", f'context = "app-{number}"', "replicas = 2"]
        lines += [f"port = {8000 + number}", 'health = "/health"', f'routes = ["/app-{number}"]']
    for number in range(environments):
        lines += [f"[tool.shiptasks.environments.env-{number}]", f'hosts = ["deploy@host-{number}.example.com"]']
        lines += [f"services.app-{index}.replicas = 3" for index in range(services)]
    return "\n".join(lines) + "\n"


def cpu_seconds(argv: Sequence[str], folder: Path) -> float:
    """User and system time of one run of the command. Raises RuntimeError when it fails."""
    output = folder / ".output"
    with output.open("wb") as sink:
        process = subprocess.Popen(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} exited {process.returncode}: {output.read_text()}")
    return usage.ru_utime + usage.ru_stime


def main(rounds: int = 20) -> None:
    # As an installation from a wheel is; `inv` itself writes no bytecode.
    compileall.compile_dir(Path(shiptasks.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory() as home:
        measured: dict[str, list[float]] = {}
        each = cases()
        folders = {}
        for index, case in enumerate(each):
            folder = folders[case.name] = Path(home) / str(index)
            folder.mkdir()
            for name, text in case.files.items():
                (folder / name).write_text(text, encoding="utf-8")
        for number in range(rounds + 1):
            for case in each:
                seconds = cpu_seconds(case.argv, folders[case.name])
                if number:
                    measured.setdefault(case.name, []).append(seconds)
    floor = measured[each[0].name]
    print(f"{rounds} rounds, Python {sys.version.split()[0]}; CPU time, median; ratio: median of the pairs\n")
    for name, times in measured.items():
        ratio = statistics.median(one / base for one, base in zip(times, floor, strict=True))
        goal = f"   goal {GOAL}" if "shiptasks" in name else ""
        print(f"{name:<28} {statistics.median(times) * 1000:7.0f} ms   {ratio:5.2f}{goal}")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
