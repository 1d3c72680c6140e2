"""What the graph of `inv check` costs: a run of 40 stages against its critical path, and beside make.

    python benchmarks/graph.py [rounds]

The stages are `sleep` commands with random lengths and needs, the same in each round. The critical path is the
longest chain of sleeps: nothing can be faster. The goal is at most 1.05 times that and 0.2 seconds. `make -j` runs the
same graph beside it, in the same run.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STAGES = 40
SEED = 20261121
INV = (sys.executable, "-m", "invoke")


def graph() -> tuple[dict[str, float], dict[str, tuple[str, ...]]]:
    """Seconds, and needs, of each stage by name."""
    chance = random.Random(SEED)
    names = [f"s{number:02d}" for number in range(STAGES)]
    seconds = {name: round(chance.uniform(0.05, 0.6), 2) for name in names}
    needs = {
        name: tuple(sorted(chance.sample(names[:number], min(number, chance.randrange(3)))))
        for number, name in enumerate(names)
    }
    return seconds, needs


def critical_path(seconds: dict[str, float], needs: dict[str, tuple[str, ...]]) -> float:
    """Seconds of the longest chain; the names are in an order in which needs come first."""
    ends: dict[str, float] = {}
    for name, own in seconds.items():
        ends[name] = own + max((ends[need] for need in needs[name]), default=0.0)
    return max(ends.values())


def write(root: Path, seconds: dict[str, float], needs: dict[str, tuple[str, ...]]) -> None:
    """The graph as a configuration of shiptasks and as a Makefile."""
    lines = ['[tool.shiptasks]\nproject = "graph"\n']
    rules = [f"all: {' '.join(seconds)}\n"]
    for name, own in seconds.items():
        listed = json.dumps([f"test.{need}" for need in needs[name]])
        lines.append(f'[tool.shiptasks.test.{name}]\ncommand = "sleep {own}"\nneeds = {listed}\n')
        rules.append(f"{name}: {' '.join(needs[name])}\n\t@sleep {own}\n")
    (root / "pyproject.toml").write_text("".join(lines))
    (root / "tasks.py").write_text("import shiptasks\n\nns = shiptasks.namespace()\n")
    (root / "Makefile").write_text(f".PHONY: all {' '.join(seconds)}\n" + "".join(rules))


def wall(argv: tuple[str, ...], root: Path) -> float:
    """Seconds that a command takes. Raises CalledProcessError when it fails."""
    began = time.perf_counter()
    subprocess.run(argv, cwd=root, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main(rounds: int) -> None:
    seconds, needs = graph()
    floor = critical_path(seconds, needs)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, seconds, needs)
        start_up = statistics.median(wall((*INV, "check", "--list"), root) for _ in range(rounds))
        pairs = [
            (wall((*INV, "check", f"--jobs={STAGES}"), root), wall(("make", f"-j{STAGES}"), root))
            for _ in range(rounds)
        ]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    goal = 1.05 * floor + 0.2
    print(f"critical path                    {floor:6.2f} s   1.00")
    print(f"make -j{STAGES}                         {theirs:6.2f} s   {theirs / floor:.2f}")
    print(f"inv check --jobs={STAGES}               {ours:6.2f} s   {ours / floor:.2f}")
    print(f"  of that, inv check --list      {start_up:6.2f} s")
    print(f"  without it: the graph          {ours - start_up:6.2f} s   {(ours - start_up) / floor:.2f}")
    print(f"goal: 1.05 critical path + 0.2   {goal:6.2f} s: {'met' if ours - start_up <= goal else 'NOT met'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
