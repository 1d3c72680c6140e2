"""`inv doctor`: is everything there that the tasks will need?"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from shiptasks.tasks._task import project_of, task

if TYPE_CHECKING:
    from invoke.context import Context


@task(
    group="Set up",
    help={
        "env": "only this environment; all of them when left out",
        "offline": "do not ask the hosts",
        "verbose": "show what is well, too",
    },
)
def doctor(c: Context, env: str = "", offline: bool = False, verbose: bool = False, format: str = "text") -> None:
    """Check what the tasks will need, here and on the hosts."""
    project = project_of(c, env)
    from shiptasks.doctor import environments, here
    from shiptasks.doctor.model import Report
    from shiptasks.errors import Failed
    from shiptasks.run.run import start

    with start(project, "doctor", environment=env, format=format) as run:
        with run.bus.step("look at this machine") as step:
            found = list(here.look(project))
            step.detail = Report(tuple(found)).summary
        for name in environments.names(project, env):
            with run.bus.step(f"look at {name}") as step:
                there = list(environments.look(project_of(c, name), offline=offline))
                step.detail = Report(tuple(there)).summary
                found += there
        report = Report(tuple(found))
        run.result, run.summary = report.data(), report.summary
        run.show(report.text(verbose=verbose, columns=shutil.get_terminal_size((120, 24)).columns))
        if not report.ok:
            raise Failed(f"not ready: {report.summary}", hint="each finding above says what to do")
