"""What `inv build` costs: against one `docker buildx bake` of the same services, and against one after the other.

    python benchmarks/build.py [rounds]

Throw-away repositories of 3 and of 20 services are built in the engine of this machine, from an image with a shell that
is there already (`--base=`). In each round, with new sources each time: ours, plain bake, and `docker buildx build` one
service after the other; then again with nothing changed. What counts are the ratios within a round. The goals: at most
1.05 of plain bake for a full build, at most 0.25 of it when nothing has changed. The images are removed.
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INV = (sys.executable, "-m", "invoke")
FILES = 30


def write(root: Path, services: int, base: str) -> None:
    """A repository of that many services, with sources that nobody has built before."""
    lines = ["[tool.shiptasks]", f'project = "bench{services}"']
    for number in range(services):
        name = f"app{number:02d}"
        lines += [f"[tool.shiptasks.services.{name}]", f'context = "{name}"']
        folder = root / name
        (folder / "src").mkdir(parents=True, exist_ok=True)
        for file in range(FILES):
            (folder / "src" / f"{file}.txt").write_text(secrets.token_hex(512))
        (folder / ".dockerignore").write_text("*.log\n")
        (folder / "Dockerfile").write_text(
            f"FROM {base}\nWORKDIR /app\nCOPY src src\nRUN cat src/*.txt | sha256sum > sum && sleep 1\n"
            "USER 10001:10001\nHEALTHCHECK CMD test -s sum\n"
        )
    (root / "pyproject.toml").write_text("\n".join(lines) + "\n")
    (root / "tasks.py").write_text("import shiptasks\n\nns = shiptasks.namespace()\n")
    targets = {
        f"app{number:02d}": {
            "context": f"app{number:02d}",
            "tags": [f"bench{services}-app{number:02d}:plain"],
            "output": ["type=docker"],
        }
        for number in range(services)
    }
    (root / "docker-bake.json").write_text(
        json.dumps({"group": {"default": {"targets": [*targets]}}, "target": targets})
    )


def wall(root: Path, *argv: str) -> float:
    """Seconds that a command takes. Raises CalledProcessError when it fails."""
    began = time.perf_counter()
    subprocess.run(argv, cwd=root, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def ours(root: Path) -> float:
    return wall(root, *INV, "build", "--version=1.0.0")


def bake(root: Path) -> float:
    return wall(root, "docker", "buildx", "bake", "--file=docker-bake.json")


def one_by_one(root: Path, services: int) -> float:
    return sum(
        wall(root, "docker", "buildx", "build", f"--tag=bench{services}-single:{number}", "--load", f"app{number:02d}")
        for number in range(services)
    )


@contextmanager
def repository() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield Path(folder)


def remove(services: int) -> None:
    """Remove the images that were built here."""
    listed = subprocess.run(
        ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], capture_output=True, text=True, check=True
    ).stdout.split()
    mine = [name for name in listed if name.startswith(f"bench{services}-")]
    if mine:
        subprocess.run(["docker", "image", "rm", "--force", *mine], check=False, stdout=subprocess.DEVNULL)


def measure(services: int, rounds: int, base: str) -> None:
    figures: dict[str, list[float]] = {
        key: [] for key in ("full, ours", "full, bake", "full, one by one", "again, ours", "again, bake")
    }
    for _ in range(rounds):
        for name, function in (("ours", ours), ("bake", bake)):
            with repository() as root:
                write(root, services, base)
                figures[f"full, {name}"].append(function(root))
                figures[f"again, {name}"].append(function(root))
        with repository() as root:
            write(root, services, base)
            figures["full, one by one"].append(one_by_one(root, services))
    remove(services)
    median = {key: statistics.median(values) for key, values in figures.items()}
    print(f"\n{services} services, median of {rounds}")
    for kind, goal in (("full", 1.05), ("again", 0.25)):
        floor = median[f"{kind}, bake"]
        for key, value in median.items():
            if key.startswith(kind):
                print(f"  {key:<18} {value:7.2f} s  {value / floor:6.2f}")
        ratio = median[f"{kind}, ours"] / floor
        print(f"  {kind}: goal {goal}: {'met' if ratio <= goal else 'NOT met'} ({ratio:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rounds", type=int, nargs="?", default=3)
    parser.add_argument("--base", default="python:3.13-slim", help="an image with a shell that the engine has")
    given = parser.parse_args()
    for services in (3, 20):
        measure(services, given.rounds, given.base)


if __name__ == "__main__":
    main()
