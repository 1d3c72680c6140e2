"""`inv env`: is the environment file of an environment fit for use? `inv env.create` makes it from the template."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from shiptasks.tasks._task import answer, project_of, task

if TYPE_CHECKING:
    from invoke.context import Context

    from shiptasks.config.model import Project
    from shiptasks.envfile.check import Report
    from shiptasks.envfile.create import Draft


@task(group="Check")
def env(c: Context, env: str = "", format: str = "text") -> None:
    """Check the environment file of an environment."""
    project = project_of(c, env, needs_env=True)
    from shiptasks.deploy import inputs
    from shiptasks.envfile.check import check
    from shiptasks.errors import Failed
    from shiptasks.run.run import start

    with start(project, "env", environment=env, format=format) as run:
        report = check(project, inputs.environment_file(project, run.secrets))
        run.result = report.data()
        run.show(_text(report))
        run.summary = _counts(report)
        if report.errors:
            raise Failed(
                f"the environment file of {env} is not fit for use: {_counts(report)}",
                where=report.file,
                now="nothing was changed",
                hint="see above: each line says what to do",
            )


@task(group="Ship", under="env", help={"yes": "run the template's commands without asking"})
def create(c: Context, env: str = "", yes: bool = False, format: str = "text") -> None:
    """Make the environment file from the template."""
    project = project_of(c, env, needs_env=True)
    from shiptasks.envfile import create as capability
    from shiptasks.envfile.template import NAMES, find
    from shiptasks.errors import Failed, UsageError
    from shiptasks.run.process import shown
    from shiptasks.run.signals import confirm

    name = project.target.env_file
    if name is None:
        raise UsageError(
            f"the environment {env} has no environment file",
            where=project.where("environments", env),
            now="nothing was run",
            hint=f'env-file = ".env.{env}" under [tool.shiptasks.environments.{env}]',
        )
    template = find(project.root)
    if template is None:
        raise UsageError(
            "there is no template to make it from",
            where=str(project.root),
            now="nothing was run",
            hint=f"write {NAMES[0]}, with a line NAME= for each variable",
        )
    broken = [f"{template.name}:{wrong.line}: {wrong.what}" for wrong in template.file.wrong]
    broken += [f"{template.name}:{e.variable.line}: {e.problem}" for e in template.entries.values() if e.problem]
    if broken:
        raise UsageError(
            f"the template {template.name} cannot be used", where=template.name, now="nothing was run",
            details=tuple(broken),
        )  # fmt: skip
    path = project.root / name
    try:
        existing = path.read_bytes() if path.exists() else None
    except OSError as error:
        raise Failed(f"the environment file {name} cannot be read: {error.strerror}", where=str(path)) from error
    draft = capability.draft(template, existing, frozenset(project.secrets))
    if draft.generate:
        for entry in draft.generate:
            sys.stderr.write(f"{entry.name}: {shown(entry.generate)}\n")
        made = ", ".join(entry.name for entry in draft.generate)
        confirm(f"run the commands of {template.name} for {made}?", yes=yes)
    if existing is None or not draft.nothing_to_do:
        # Through a link the file that it leads to is written.
        capability.write(path.resolve(), capability.generated(draft, project.root).text)
    _tell(project, name, draft, existing is None, format)


def _tell(project: Project, name: str, draft: Draft, new: bool, format: str) -> None:
    made = [entry.name for entry in draft.generate]
    done = "written, mode 0600" if new else "unchanged" if draft.nothing_to_do else "completed; what was there is kept"
    lines = [f"{name}: {done}"]
    lines += [f"  generated: {', '.join(made)}"] if made else []
    lines += [f"  added from the template: {', '.join(draft.added)}"] if draft.added and not new else []
    for entry in draft.to_fill:
        note = "".join(f" ({text})" for text in entry.warnings)
        lines.append(f"  to fill in by you: {entry.name}{note}")
    lines.append(f"  next: inv env --env={project.environment}")
    data = {
        "file": name,
        "created": new,
        "changed": new or not draft.nothing_to_do,
        "generated": made,
        "added": list(draft.added),
        "to_fill": [entry.name for entry in draft.to_fill],
    }
    answer(format, data, "\n".join(lines))


def _counts(report: Report) -> str:
    errors, warnings = len(report.errors), len(report.warnings)
    if not errors and not warnings:
        return "nothing wrong"
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"


def _text(report: Report) -> str:
    file = report.file or "no environment file"
    secrets = f", {len(report.secrets)} secrets from elsewhere" if report.secrets else ""
    lines = [f"{report.environment} ({report.purpose}): {file}, {report.variables} variables{secrets}"]
    for each in report.findings:
        lines.append(f"  {'✗' if each.level == 'error' else '!'} {each.where}: {each.what}")
        lines += [f"      {each.remedy}"] if each.remedy else []
    return "\n".join(lines)
