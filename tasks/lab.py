"""The lab's tasks: `inv lab.up`, `inv lab.down`, `inv lab.status`."""

from __future__ import annotations

import sys
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

# invoke puts this folder on sys.path, not the repository's root, from where the tests are imported.
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)


@task(help={"hosts": "how many SSH hosts; 0: engine and base images only"})
def up(_: Context, hosts: int = 1) -> None:
    """Start engine, base images, registry and SSH hosts, as far as they are not up."""
    _run(["up", f"--hosts={hosts}"])


@task(help={"all": "remove the caches too"})
def down(_: Context, all: bool = False) -> None:
    """End everything that the lab started; caches stay."""
    _run(["down", *(["--all"] if all else [])])


@task
def status(_: Context) -> None:
    """Show what of the lab is up, with pids and addresses."""
    _run(["status"])


def _run(argv: list[str]) -> None:
    from tests.lab.__main__ import main

    code = main(argv)
    if code:
        raise Exit(code=code)


ns = Collection("lab", up, down, status)
