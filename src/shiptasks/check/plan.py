"""Which stages a check has, and what each runs: values made from the configuration, before anything runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from shiptasks.check.containers import refuse_clashes
from shiptasks.check.preset import Preset, Request
from shiptasks.check.presets import PRESETS
from shiptasks.check.sections import LintStage, TestStage
from shiptasks.config.references import EVERY, expanded
from shiptasks.config.suggest import did_you_mean
from shiptasks.errors import UsageError
from shiptasks.plugins.discover import enabled
from shiptasks.plugins.protocols import Scanner
from shiptasks.run.process import command_line

if TYPE_CHECKING:
    from shiptasks.check.sections import Bundle
    from shiptasks.config.model import Project

Kind = Literal["lint", "test", "bundles", "scan"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Options:
    """What the flags of a task ask for."""

    kinds: tuple[Kind, ...] = KINDS
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    fix: bool = False
    changed: Callable[[], Collection[str]] | None = None
    """With `--changed`: gives the files that differ, relative to the root. Called once, when a stage can use it."""
    shard: tuple[int, int] | None = None
    """With `--shard=2/4`: of stages that are split, only this part."""


@dataclass(frozen=True)
class Stage:
    """Something that a check runs. `id` is `lint.ruff`, `test.unit.py3.12`, `test.unit.2of4`, `lint.ruff.api`."""

    kind: Kind
    name: str
    text: str
    """What runs, as a person would type it."""
    cwd: Path
    argv: tuple[str, ...] = ()
    """The command; empty where `preset` gives it."""
    variant: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    rules: LintStage | TestStage | None = None
    preset: Preset | None = None
    request: Request | None = None
    python: str = ""
    """Version of Python that it runs with, through uv or nox; empty for that of the environment."""
    scanner: Scanner | None = None
    """What reads the findings of a scan."""
    bundle: Bundle | None = None
    needs: tuple[str, ...] = ()
    """Ids of the stages that must have passed before."""
    advisory: bool = False
    timeout: float = 1800.0
    budget: float = 0.0
    """Seconds that it should take; 0 for no such time."""
    mends: bool = False
    """Whether it changes the files that it looks at."""
    idle: str = ""
    """Why it has nothing to do; empty where it has."""

    @property
    def id(self) -> str:
        return ".".join(part for part in (self.kind, self.name, self.variant) if part)

    @property
    def title(self) -> str:
        return " ".join(part for part in (self.kind.removesuffix("s"), self.name, self.variant) if part)

    @property
    def tests(self) -> TestStage | None:
        """The rules of a test stage; None for others."""
        return self.rules if isinstance(self.rules, TestStage) else None

    @property
    def alone(self) -> str:
        """What to type to run just this."""
        return f"inv check --only={self.id}"

    def command(self, out: Path) -> tuple[str, ...]:
        """The program and its arguments, with `out` as the folder for its report files."""
        argv = self.argv
        if self.preset is not None and self.request is not None:
            argv = self.preset.command(replace(self.request, out=out))
        return with_python(argv, self.python) if self.python and argv else argv


def plan(project: Project, options: Options = Options()) -> tuple[Stage, ...]:
    """The stages that these options ask for, in the order of the configuration.

    Raises UsageError for a name that does not exist, for a command that cannot be read, for an option that no stage
    can take, and when there is nothing to run: a check of nothing must not pass.
    """
    every = [stage for kind in KINDS for stage in _of_kind(project, kind, options) if kind in options.kinds]
    if not every:
        raise _nothing(options.kinds)
    chosen = _chosen(every, options)
    known = {stage.id for stage in chosen}
    return tuple(
        replace(stage, needs=tuple(need for need in _needs(stage, chosen) if need in known)) for stage in chosen
    )


def selects(word: str, stage: Stage) -> bool:
    """Whether a word of `--only` or `--skip` means this stage: its id, the beginning of it, or its name."""
    return stage.id == word or stage.id.startswith(f"{word}.") or word in (stage.name, f"{stage.name}.{stage.variant}")


def with_python(argv: tuple[str, ...], version: str) -> tuple[str, ...]:
    """The same command with this version of Python, by the tool that the repository has for it."""
    if argv[0] == "nox":
        return (*argv, "--python", version)
    return ("uv", "run", "--isolated", "--python", version, "--", *argv)


def _of_kind(project: Project, kind: Kind, options: Options) -> Iterator[Stage]:
    if kind == "scan":
        for each in enabled(project, "scanners"):
            argv = tuple(each.made.command(project))
            budget = float(project.check.scan_budget)
            timeout = float(project.check.timeout)
            yield Stage(
                kind, each.name, shlex.join(argv), project.root, argv, scanner=each.made, timeout=timeout, budget=budget
            )
        return
    if kind == "bundles":
        for name, bundle in project.bundles.items():
            text = bundle.command or f"measure {bundle.folder}"
            argv = _argv(project, (kind, name), bundle.command) if bundle.command else ()
            stage = Stage(kind, name, text, project.root, argv, bundle=bundle)
            yield _with_rules(project, stage, bundle, 0.0)
        return
    table: Mapping[str, LintStage | TestStage] = project.lint if kind == "lint" else project.test
    budget = project.check.lint_budget if kind == "lint" else project.check.test_budget
    for name, rules in table.items():
        for stage in _variants(project, kind, name, rules, options):
            yield _with_rules(project, stage, rules, float(budget))


def _with_rules(project: Project, stage: Stage, rules: LintStage | TestStage | Bundle, budget: float) -> Stage:
    return replace(
        stage,
        needs=rules.needs,
        advisory=rules.advisory,
        timeout=float(rules.timeout or project.check.timeout),
        budget=float(rules.budget or budget),
    )


def _variants(
    project: Project, kind: Kind, name: str, rules: LintStage | TestStage, options: Options
) -> Iterator[Stage]:
    """One stage, or one for each service, version of Python and shard."""
    services = tuple(project.services) if EVERY in rules.services else rules.services
    places = [(service, project.root / project.services[service].context) for service in services]
    if not places:
        places = [("", project.root / (rules.folder or "."))]
    tests = rules if isinstance(rules, TestStage) else TestStage(command="true")
    refuse_clashes({name: project.containers[name] for name in tests.containers})
    pythons = tests.python or ("",)
    count = tests.shards
    shards = [(number, count) for number in range(1, count + 1)] if count > 1 else [None]
    if options.shard and count > 1:
        shards = [options.shard]
    for service, cwd in places:
        for python in pythons:
            for shard in shards:
                parts = (service, f"py{python}" if python else "", f"{shard[0]}of{shard[1]}" if shard else "")
                stage = Stage(
                    kind,
                    name,
                    "",
                    cwd,
                    variant=".".join(part for part in parts if part),
                    env=_env(rules, shard),
                    rules=rules,
                    python=python,
                )
                yield _filled(project, stage, rules, shard, options)


def _env(rules: LintStage | TestStage, shard: tuple[int, int] | None) -> dict[str, str]:
    return {**rules.env, **({"SHIPTASKS_SHARD": f"{shard[0]}/{shard[1]}"} if shard else {})}


def _filled(
    project: Project, stage: Stage, rules: LintStage | TestStage, shard: tuple[int, int] | None, options: Options
) -> Stage:
    at = (stage.kind, stage.name)
    fix = options.fix and stage.kind == "lint"
    if rules.preset is None:
        text = (rules.fix if fix and isinstance(rules, LintStage) else None) or rules.command or ""
        return replace(stage, text=text, argv=_argv(project, at, text), mends=fix and text != rules.command)
    preset = PRESETS[rules.preset]
    tests = stage.tests
    lacks = {
        "shards": shard is not None and not preset.can_shard,
        "reruns": tests is not None and tests.reruns > 0 and not preset.can_rerun,
    }
    for key, wrong in lacks.items():
        if wrong:
            raise UsageError(
                f"the preset {preset.name} does not know the key {key}",
                where=project.where(*at, key),
                now="nothing was run",
            )
    files, idle = _files(project, stage, rules, preset, options)
    request = Request(
        root=project.root,
        cwd=stage.cwd,
        out=project.state_dir / "out",
        args=rules.args,
        paths=rules.paths,
        files=files,
        fix=fix and preset.can_fix,
        coverage=tests is not None and tests.coverage,
        shard=shard,
    )
    text = shlex.join((preset.name, *rules.args, *(rules.paths if files is None else files)))
    text = text if len(text) <= 300 else f"{text[:299]}…"
    return replace(stage, text=text, preset=preset, request=request, idle=idle, mends=request.fix)


def _files(
    project: Project, stage: Stage, rules: LintStage | TestStage, preset: Preset, options: Options
) -> tuple[tuple[str, ...] | None, str]:
    """With `--changed`, the files of this stage relative to where it runs, and why it is idle when there are none."""
    if options.changed is None or preset.takes is None or stage.kind != "lint":
        return None, ""
    base = stage.cwd.resolve().relative_to(project.root.resolve()).as_posix()
    inside = [
        file if base == "." else file.removeprefix(f"{base}/")
        for file in options.changed()
        if base == "." or file.startswith(f"{base}/")
    ]
    files = tuple(file for file in inside if preset.takes(file) and _under(file, rules.paths))
    return (files, "") if files else (None, "no such file differs")


def _under(file: str, paths: Iterable[str]) -> bool:
    normal = [path.rstrip("/").removeprefix("./") for path in paths]
    return not normal or any(path in ("", ".") or file == path or file.startswith(f"{path}/") for path in normal)


def _argv(project: Project, at: tuple[str, str], text: str) -> tuple[str, ...]:
    try:
        return command_line(text)
    except UsageError as error:
        raise UsageError(f"{'.'.join(at)}: {error.what}", where=project.where(*at), now="nothing was run") from None


def _needs(stage: Stage, stages: Iterable[Stage]) -> tuple[str, ...]:
    """Ids of the chosen stages that are meant by names of the configuration."""
    names = {each.id: f"{each.kind}.{each.name}" for each in stages}
    wanted = set(expanded(stage.needs, names.values()))
    return tuple(id_ for id_, name in names.items() if name in wanted)


def _chosen(every: Sequence[Stage], options: Options) -> list[Stage]:
    for flag, words in (("--only", options.only), ("--skip", options.skip)):
        for word in words:
            if not any(selects(word, stage) for stage in every):
                known = list(dict.fromkeys((*(stage.name for stage in every), *(stage.id for stage in every))))
                raise UsageError(
                    f"there is no {' or '.join(_asked(every))} command named {word!r}",
                    now="nothing was run",
                    hint=did_you_mean(word, known, before=f"{flag}=") or f"{flag}={','.join(_names(every))}",
                )
    chosen = [stage for stage in every if not options.only or any(selects(word, stage) for word in options.only)]
    chosen = [stage for stage in chosen if not any(selects(word, stage) for word in options.skip)]
    if not chosen:
        raise UsageError("nothing is left to check", where=f"--skip={','.join(options.skip)}", now="nothing was run")
    if options.shard and not any(stage.request and stage.request.shard for stage in chosen):
        raise UsageError(
            "no stage is split into parts",
            where="--shard={}/{}".format(*options.shard),
            now="nothing was run",
            hint="add `shards = 4` to a stage of [tool.shiptasks.test]",
        )
    if options.shard:
        for stage in chosen:
            if stage.request and stage.request.shard and stage.rules and stage.request.shard[1] != _shards(stage):
                raise UsageError(
                    f"{stage.kind}.{stage.name} has {_shards(stage)} parts, not {options.shard[1]}",
                    where="--shard={}/{}".format(*options.shard),
                    now="nothing was run",
                    hint=f"--shard={min(options.shard[0], _shards(stage))}/{_shards(stage)}",
                )
    return chosen


def _shards(stage: Stage) -> int:
    return stage.tests.shards if stage.tests else 1


def _asked(every: Iterable[Stage]) -> list[str]:
    return list(dict.fromkeys(stage.kind for stage in every))


def _names(every: Iterable[Stage]) -> list[str]:
    return list(dict.fromkeys(stage.name for stage in every))


_EXAMPLES: Mapping[str, str] = {"lint": 'ruff = { preset = "ruff" }', "test": 'unit = { preset = "pytest" }'}


def _nothing(kinds: Sequence[Kind]) -> UsageError:
    named = [kind for kind in kinds if kind in _EXAMPLES] or list(kinds)
    sections = " or ".join(f"[tool.shiptasks.{kind}]" for kind in named)
    example = _EXAMPLES.get(named[0], "")
    return UsageError(
        "there is nothing to check: no command is configured",
        where=f"{sections} in pyproject.toml",
        now="nothing was run",
        hint=f"add one, such as {example} under [tool.shiptasks.{named[0]}]" if example else "",
    )
