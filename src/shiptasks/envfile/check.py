"""Is the environment file of an environment fit for use? Findings as values; no value of a variable is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from shiptasks.config.model import Project
from shiptasks.envfile import judge, place
from shiptasks.envfile.dotenv import EnvFile, Variable, parse
from shiptasks.envfile.needs import Needs, needs
from shiptasks.envfile.template import Template, find

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `check` is its kind, for machines; `remedy` the next thing to do."""

    level: Level
    check: str
    where: str
    what: str
    remedy: str
    variable: str = ""

    @property
    def text(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}" if self.remedy else f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Report:
    """What was looked at, and what was found. `file` is empty when the environment has no file."""

    environment: str
    purpose: str
    file: str
    template: str
    variables: int
    secrets: tuple[str, ...]
    """Variables that come from `[tool.shiptasks.secrets]`; where they come from was not asked."""
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.level == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.level == "warning")

    def data(self) -> dict[str, object]:
        """Plain data, as `inv env --format=json` prints it."""
        findings = [asdict(each) for each in self.findings]
        return {**asdict(self), "secrets": list(self.secrets), "findings": findings}


def check(project: Project, content: bytes) -> Report:
    """Check the content of the environment file of the chosen environment, and the file itself.

    Names that `[tool.shiptasks.secrets]` gives count as set; nothing is resolved.
    """
    file, template, wanted = parse(content), find(project.root), needs(project)
    checker = _Checker(project, file, template, wanted)
    order = {"error": 0, "warning": 1}
    findings = sorted(checker.findings(), key=lambda each: order[each.level])
    return Report(
        project.environment,
        project.purpose,
        project.target.env_file or "",
        template.name if template else "",
        len({each.name for each in file.variables}),
        tuple(project.secrets),
        tuple(findings),
    )


class _Checker:
    def __init__(self, project: Project, file: EnvFile, template: Template | None, wanted: Needs) -> None:
        self._project, self._file, self._template, self._wanted = project, file, template, wanted
        self._name = project.target.env_file or "the environment file"
        self._values = file.values
        self._set = self._values.keys() | project.secrets.keys()
        # On a developer's own machine these are habits to mend; elsewhere they are doors.
        self._grave: Level = "warning" if project.purpose == "development" else "error"
        self._in_production: Level = "error" if project.purpose == "production" else "warning"

    def findings(self) -> Iterator[Finding]:
        yield from self._lines()
        yield from self._missing()
        for name, value in self._values.items():
            yield from self._value(self._last(name), value)
        yield from self._unknown()
        yield from self._in_template()
        if self._project.target.env_file:
            for found in place.findings(self._project.root, self._project.target.env_file):
                level = "error" if found.always else self._grave
                yield Finding(level, found.check, self._name, found.what, found.remedy)

    def _lines(self) -> Iterator[Finding]:
        for wrong in self._file.wrong:
            yield Finding("error", "syntax", self._at(wrong.line), wrong.what, "correct the line")
        for again, first in self._file.repeated():
            said = f"{again.name} is set again, after line {first.line}: the last one wins"
            yield Finding("error", "duplicate", self._at(again.line), said, "remove one of them", again.name)
        for name in self._values.keys() & self._project.secrets.keys():
            said = f"{name} is in this file and in [tool.shiptasks.secrets]"
            yield Finding("error", "duplicate", self._at(self._last(name).line), said, "remove one of them", name)

    def _missing(self) -> Iterator[Finding]:
        told = set()
        for name, need in self._wanted.variables.items():
            place_of = f"{self._project.compose_file}:{need.line}" if need.line else self._project.compose_file
            if need.needed and name not in self._set:
                told.add(name)
                yield Finding("error", "missing", place_of, f"{name} is not set", f"add {name}=… to {self._name}", name)
            elif need.filled and name in self._values and not self._values[name]:
                told.add(name)
                at = self._at(self._last(name).line)
                yield Finding(
                    "error", "missing", at, f"{name} is empty, and {place_of} needs it", self._fill(name), name
                )
        for name, entry in self._template.entries.items() if self._template else ():
            if entry.required and name not in told and name not in self._project.secrets and not self._values.get(name):
                state = "is empty" if name in self._values else "is not set"
                said = f"{name} is required, and {state} in {self._name}"
                at = f"{self._template.name}:{entry.variable.line}" if self._template else ""
                yield Finding("error", "missing", at, said, self._fill(name), name)

    def _value(self, variable: Variable, value: str) -> Iterator[Finding]:
        name, at = variable.name, self._at(variable.line)
        if not value:
            return
        if judge.is_placeholder(value):
            yield Finding("error", "placeholder", at, f"{name} still has a placeholder", self._fill(name), name)
            return
        trace = judge.trace_of_tests(value)
        if trace and self._project.purpose == "production":
            remedy = f"put the value for production into {self._name}"
            yield Finding("error", "test-value", at, f"{name} is not for production: {trace}", remedy, name)
        if not judge.is_secret_name(name):
            return
        entry = self._template.entries.get(name) if self._template else None
        if entry is not None and entry.variable.value == value:
            said = f"{name} has the value of the template, which everybody can read"
            yield Finding(self._grave, "template-value", at, said, self._fill(name), name)
            return
        weak = judge.weakness(value)
        if weak and not trace:
            yield Finding(self._in_production, "weak", at, f"{name} is a weak secret: {weak}", self._fill(name), name)

    def _unknown(self) -> Iterator[Finding]:
        if self._template is None and (self._wanted.whole_file or not self._wanted.variables):
            return
        known = self._wanted.variables.keys() | (self._template.entries.keys() if self._template else set())
        where = (
            f"{self._template.name} and {self._project.compose_file}" if self._template else self._project.compose_file
        )
        if self._wanted.whole_file and self._template is not None:
            where = self._template.name
        for name in dict.fromkeys(each.name for each in self._file.variables if each.name not in known):
            if not name.startswith(("COMPOSE_", "DOCKER_")):
                said = f"{name} is not known to {where}"
                yield Finding("warning", "unknown", self._at(self._last(name).line), said, "add or remove it", name)

    def _in_template(self) -> Iterator[Finding]:
        if self._template is None:
            return
        for wrong in self._template.file.wrong:
            yield Finding("error", "template", f"{self._template.name}:{wrong.line}", wrong.what, "correct the line")
        for name, entry in self._template.entries.items():
            at = f"{self._template.name}:{entry.variable.line}"
            if entry.problem:
                yield Finding("error", "template", at, entry.problem, "correct it", name)
            if entry.variable.value and judge.looks_real(name, entry.variable.value):
                said = f"{name} looks like a real secret, and the template is for everybody"
                yield Finding(
                    "error", "template", at, said, "replace that secret where it is used, and empty this", name
                )

    def _fill(self, name: str) -> str:
        entry = self._template.entries.get(name) if self._template else None
        return f"put in what this prints: {' '.join(entry.generate)}" if entry and entry.generate else "fill it in"

    def _last(self, name: str) -> Variable:
        return next(each for each in reversed(self._file.variables) if each.name == name)

    def _at(self, line: int) -> str:
        return f"{self._name}:{line}"
