"""Which stages of a run need not run, because what they declare as inputs is as it was when they last passed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shiptasks.check.cache import Cache
from shiptasks.check.depends import Depends
from shiptasks.check.depends import Stage as Inputs
from shiptasks.check.fingerprint import Files
from shiptasks.check.globs import Globs
from shiptasks.check.plan import Stage
from shiptasks.check.results import CheckResult
from shiptasks.run.text import seconds

if TYPE_CHECKING:
    from shiptasks.config.model import Project


class Cached:
    """The results of earlier runs. Used from several threads at once."""

    def __init__(self, project: Project, stages: Sequence[Stage], *, enabled: bool) -> None:
        """Raises UsageError for a pattern of `inputs` that cannot be one."""
        self._project = project
        self._enabled = enabled
        self._cache = Cache(project.state_dir)
        self._files = Files(project.root, project.state_dir)
        self._globs = {stage.id: self._patterns(stage) for stage in stages if _declares(stage)}
        self._before: dict[str, Depends] = {}

    def hit(self, stage: Stage, out: Path, env: Mapping[str, str]) -> CheckResult | None:
        """The last result of a stage that needs not run; its reports are put into `out`. None when it has to run.

        Raises UsageError when an input cannot be read, or a pattern of `inputs` takes no file.
        """
        if stage.id not in self._globs:
            return None
        now = self._before[stage.id] = self._look(stage, out, env)
        if not self._enabled:
            return None
        out.mkdir(parents=True, exist_ok=True)
        found = self._cache.hit(stage.id, now, into=out)
        if found is None:
            return None
        age = seconds(max(time.time() - found.at, 0.0))
        detail = f"unchanged since {age} ago; {found.detail}".rstrip("; ")
        coverage = tuple(path for name, path in sorted(found.artifacts.items()) if name != _JUNIT)
        return CheckResult(stage, "cached", detail=detail, coverage=coverage)

    def why(self, stage: Stage) -> str:
        """Why a stage with inputs has to run; empty for one without."""
        return self._cache.explain(stage.id, self._before[stage.id]) if stage.id in self._before else ""

    def keep(self, result: CheckResult, out: Path, env: Mapping[str, str]) -> str:
        """Keep the result when it is one to keep. Returns why it was not kept, though it might have been."""
        stage = result.stage
        if result.outcome != "ok" or stage.id not in self._before:
            return ""
        reports = {path.name: path for path in (*result.coverage, out / _JUNIT) if path.is_file()}
        after = self._look(stage, out, env)
        return self._cache.store(stage.id, self._before[stage.id], after, result.detail, result.seconds, reports)

    def prune(self) -> None:
        """Forget the stages that the configuration does not have any more. For a run of all stages."""
        self._cache.prune(self._globs)

    def _look(self, stage: Stage, out: Path, env: Mapping[str, str]) -> Depends:
        argv = stage.command(out) or ("true",)
        version = stage.preset.version if stage.preset and not stage.python else ()
        if version and Path(argv[0]).name == version[0]:
            version = (argv[0], *version[1:])  # eslint is in node_modules, not on PATH
        return self._cache.look(
            Inputs(
                id=stage.id,
                root=self._project.root,
                cwd=stage.cwd,
                argv=argv,
                inputs=self._globs[stage.id],
                environ=env,
                names=tuple(sorted({*stage.rules.inputs_env, *stage.rules.env})) if stage.rules else (),
                version=version,
                out=out,
            ),
            self._files,
        )

    def _patterns(self, stage: Stage) -> Globs:
        """The patterns relative to the root; in the configuration they are relative to where the stage runs."""
        assert stage.rules is not None
        folder = stage.cwd.relative_to(self._project.root).as_posix()
        where = self._project.where(stage.kind, stage.name, "inputs")
        return Globs(stage.rules.inputs, folder="" if folder == "." else folder, where=where)


_JUNIT = "junit.xml"


def _declares(stage: Stage) -> bool:
    """Whether the result of this very stage can be kept: not that of a part of the files, nor one that mends them."""
    is_whole = stage.request is None or (stage.request.files is None and not stage.request.fix)
    return bool(stage.rules and stage.rules.inputs) and is_whole and not stage.idle
