"""`python -m tests.lab up|down|status`: the lab without invoke, for a Makefile that has not installed anything yet."""

from __future__ import annotations

import argparse
import sys

from tests.lab import lab
from tests.lab.proc import LabError


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 when it went well, 1 when the lab could not do it."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab", description="engine, base images, registry and SSH hosts"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start what is not up")
    up.add_argument("--hosts", type=int, default=1, help="how many SSH hosts (0: engine and images only; default 1)")
    down = commands.add_parser("down", help="end what the lab started")
    down.add_argument("--all", action="store_true", help="remove the caches too")
    commands.add_parser("status", help="show what is there")
    options = parser.parse_args(argv)
    try:
        if options.command == "down":
            lab.down(echo, everything=options.all)
            return 0
        if options.command == "up":
            lab.up(echo, hosts=options.hosts)
        print(lab.table(lab.status()))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def echo(text: str) -> None:
    """Say it at once, also into a pipe."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
