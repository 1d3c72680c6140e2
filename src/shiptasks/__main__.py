"""`python -m shiptasks init`: the tasks that need no tasks.py; everything else is `inv` where there is one."""

from __future__ import annotations

from invoke.collection import Collection
from invoke.program import Program

from shiptasks import __version__
from shiptasks.tasks import completion, init


def main() -> None:
    collection = Collection(init, completion)
    Program(namespace=collection, name="python -m shiptasks", binary="python -m shiptasks", version=__version__).run()


if __name__ == "__main__":
    main()
