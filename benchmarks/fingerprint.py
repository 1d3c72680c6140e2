"""What it costs to know that nothing has changed among many files, beside `git status` and `find -newer`, in one run.

`python benchmarks/fingerprint.py [files] [rounds]` makes that many small files (20000) in folders of 50, in a
repository of git with all of them committed, and measures wall time, in turn: the first look (every file is read and
hashed), a later one in a fresh `Files` (nothing is read), and the two peers, which say only whether something changed.
Exit code 1 when a later look takes more than a second.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from shiptasks.check.fingerprint import Files
from shiptasks.check.globs import Globs

LIMIT = 1.0
_SETTLED = 2.5  # files younger than two seconds are hashed again: see fingerprint.py


def make(root: Path, count: int) -> None:
    """Files of 100 to 8000 bytes."""
    for number in range(count):
        folder = root / "src" / f"pkg{number // 1000:03}" / f"part{number // 50 % 20:02}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"module{number % 50:02}.py").write_text(f"# {number}\n" * (10 + number % 700))
    for arguments in (
        ("init", "--quiet"),
        ("add", "."),
        ("-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--quiet", "--message=all"),
    ):
        subprocess.run(("git", "-C", str(root), *arguments), check=True)
    (root / "stamp").write_text("")
    time.sleep(_SETTLED)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main(count: int = 20_000, rounds: int = 7) -> int:
    with tempfile.TemporaryDirectory(prefix="fingerprint.") as name:
        root = Path(name)
        make(root, count)
        globs = Globs(("src/**/*.py", "!src/gen"))
        first = seconds(lambda: Files(root, root / ".shiptasks").hashes(globs))
        found = Files(root, root / ".shiptasks").hashes(globs)
        assert len(found) == count, f"{len(found)} files were found"
        commands = {
            "git status": ("git", "-C", name, "status", "--porcelain", "--", "src"),
            "find -newer": ("find", f"{name}/src", "-newer", f"{name}/stamp"),
        }
        runs: dict[str, list[float]] = {"shiptasks": [], **{command: [] for command in commands}}
        for _ in range(rounds):
            runs["shiptasks"].append(seconds(lambda: Files(root, root / ".shiptasks").hashes(globs)))
            for command, argv in commands.items():
                runs[command].append(seconds(lambda argv=argv: subprocess.run(argv, check=True, capture_output=True)))
    times = {each: statistics.median(values) for each, values in runs.items()}
    print(f"{count} files, {rounds} rounds, Python {sys.version.split()[0]}; median wall time\n")
    print(f"{'shiptasks, first time':<24}{first * 1000:8.0f} ms")
    for each, value in times.items():
        print(f"{each:<24}{value * 1000:8.0f} ms")
    for command in commands:
        print(f"\nshiptasks / {command}: {times['shiptasks'] / times[command]:.2f}", end="")
    print()
    return 0 if times["shiptasks"] < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:])))
