"""The task surface: what `inv --list` shows. Each task parses its arguments and calls one capability.

`from shiptasks.tasks import check` gives a task that can be called as a function: `check()`, `check(c, only="ruff")`.
Nothing heavy is imported here: `inv --list` waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shiptasks.tasks import _invoke
from shiptasks.tasks._namespace import call, namespace, own_tasks, tasks_of
from shiptasks.tasks._task import Task, answer, project_of, root_of, task, words

globals().update(own_tasks())


def _lines(collection: Any, columns: int) -> list[str] | None:
    from shiptasks.tasks._listing import lines

    return lines(collection, columns)


def _candidates(typed: list[str], collection: Any) -> list[str] | None:
    from shiptasks.tasks._candidates import candidates

    return candidates(typed, collection)


_invoke.install(_lines, _candidates)

if TYPE_CHECKING:
    from shiptasks.tasks.build import build as build
    from shiptasks.tasks.build_sizes import sizes as sizes
    from shiptasks.tasks.build_tags import tags as tags
    from shiptasks.tasks.check import check as check
    from shiptasks.tasks.check import lint as lint
    from shiptasks.tasks.check import test as test
    from shiptasks.tasks.completion import completion as completion
    from shiptasks.tasks.config import config as config
    from shiptasks.tasks.config import schema as schema
    from shiptasks.tasks.deploy import deploy as deploy
    from shiptasks.tasks.deploy import down as down
    from shiptasks.tasks.deploy import rollback as rollback
    from shiptasks.tasks.deploy import status as status
    from shiptasks.tasks.doctor import doctor as doctor
    from shiptasks.tasks.init import init as init
    from shiptasks.tasks.log import log as log
    from shiptasks.tasks.tasks import tasks as tasks
    from shiptasks.tasks.verify import verify as verify

__all__ = ["Task", "answer", "call", "namespace", "project_of", "root_of", "task", "tasks_of", "words"]
