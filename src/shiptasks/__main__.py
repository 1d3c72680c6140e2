"""`python -m shiptasks init`, for where there is no tasks.py yet; everything else is `inv`, where there is one."""

from __future__ import annotations

import sys

from invoke.collection import Collection
from invoke.program import Program

from shiptasks import __version__
from shiptasks.tasks import completion, init

_TYPE = """\
python -m shiptasks init             looks at this repository and proposes its configuration
python -m shiptasks init --plan      the same, and writes nothing
python -m shiptasks completion       the completion script of a shell
inv --list                           everything else, in a repository that is set up
"""


def main() -> None:
    """Run one of the tasks that need no tasks.py. Ends the process with its exit code; 2 for a task of `inv`."""
    words = sys.argv[1:]
    if not words:
        sys.stdout.write(_TYPE)
        return
    _refuse_others(words[0])
    collection = Collection(init, completion)
    Program(namespace=collection, name="python -m shiptasks", binary="python -m shiptasks", version=__version__).run()


def _refuse_others(word: str) -> None:
    from shiptasks.tasks._namespace import own_tasks

    if word not in own_tasks() or word in (init.name, completion.name):
        return
    from shiptasks.errors import UsageError
    from shiptasks.run.output import show_error

    hint = f"inv {word}; where there is no tasks.py yet, python -m shiptasks init makes one"
    error = UsageError(f"{word} is a task of `inv`", now="nothing was run", hint=hint)
    show_error(error)
    raise SystemExit(error.exit_code)


if __name__ == "__main__":
    main()
