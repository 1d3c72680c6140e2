"""The configuration of lint, test, bundles, and of what they share."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from shiptasks.config.hook import StageHooks, TaskHooks
from shiptasks.config.section import Section
from shiptasks.config.types import Command, Conflicts, Name, RelativePath, Table, VariableName, Words, frozen
from shiptasks.config.values import Duration, Image, Percent, Size

LintPreset = Literal[
    "ruff",
    "ruff-format",
    "black",
    "flake8",
    "isort",
    "pylint",
    "mypy",
    "eslint",
    "hadolint",
    "shellcheck",
    "yamllint",
]
TestPreset = Literal["pytest", "vitest"]
RelativePaths = Annotated[tuple[RelativePath, ...], Strict(False)]


KNOWN_IMAGES = ("mariadb", "memcached", "mongo", "mysql", "postgres", "rabbitmq", "redis", "valkey")
"""Last parts of the names of images that need no `port`: what else is known of them is in `check/images.py`."""
PLACEHOLDERS = ("host", "port", "user", "password", "database")
"""What a container's `variables` may hold in braces."""
PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")

_PYTHON = re.compile(r"(?:pypy)?3\.\d{1,2}(?:\.\d{1,2})?t?")


def _check_python(value: str) -> str:
    if not _PYTHON.fullmatch(value):
        raise ValueError('expected a version of Python such as "3.12"')
    return value


PythonVersions = Annotated[tuple[Annotated[str, AfterValidator(_check_python)], ...], Strict(False)]


class Waits(Section):
    """What everything that a check runs has in common."""

    needs: Words = ()
    """Stages that must have passed before: `lint.ruff`, or `lint` for all of them."""
    advisory: bool = False
    """Report a failure, but never fail the run for it."""
    timeout: Duration | None = None
    """Longest time that it may take; that of `[tool.shiptasks.check]` when left out."""
    budget: Duration | None = None
    """Time that it should take: more is reported, and fails nothing."""


class Stage(Waits):
    """What lint and test commands have in common."""

    text_key = "command"

    command: Command | None = None
    """Command to run. With shell syntax it is run by bash, where a failure anywhere in a pipe is a failure."""
    args: Words = ()
    """Further arguments for the preset's tool."""
    paths: RelativePaths = ()
    """What the preset's tool looks at, relative to where it runs; when left out, what it takes by itself."""
    folder: RelativePath | None = None
    """Folder to run in, relative to pyproject.toml; its own when left out."""
    services: Words = ()
    """Services to run it for, each in the folder of its build context; `["*"]` is all of them."""
    env: Table[VariableName, str] = frozen()
    """Further variables for the command."""
    inputs: Words = ()
    """Files that the result depends on, as patterns such as `src/**/*.py` or `!src/generated/**`: when none of them,
    nor the command, nor the tool has changed since it last passed, it is not run again."""
    inputs_env: Words = ()
    """Names of variables that the result depends on too."""


class LintStage(Stage):
    """`[tool.shiptasks.lint.<name>]`: a lint command. A plain text is its `command`."""

    preset: LintPreset | None = None
    """Tool that shiptasks knows how to call, and whose findings it can read."""
    fix: Command | None = None
    """Command of `inv lint --fix`; presets have their own."""

    @model_validator(mode="after")
    def _fits(self) -> LintStage:
        _one_way(self, self.preset)
        if self.preset and self.fix:
            raise Conflicts((("fix",), "a preset knows itself how to fix: expected `command`, or no `fix`"))
        return self


class TestStage(Stage):
    """`[tool.shiptasks.test.<name>]`: a test command. A plain text is its `command`."""

    __test__ = False  # no test of pytest's

    preset: TestPreset | None = None
    """Tool that shiptasks knows how to call, and whose results it can read."""
    containers: Words = ()
    """Containers of `[tool.shiptasks.containers]` that are started for it and removed after it."""
    python: PythonVersions = ()
    """Versions of Python to run it with, one stage each, through uv."""
    shards: int = Field(1, ge=1, le=256)
    """Parts to split the tests into, one stage each; needs a preset."""
    reruns: int = Field(0, ge=0, le=10)
    """How often failed tests are run again; those that pass then are reported as flaky. Needs a preset."""
    coverage: bool = False
    """Measure coverage. Needs a preset, or `coverage-files`."""
    junit: RelativePath | None = None
    """JUnit report that the command writes, relative to where it runs."""
    coverage_files: RelativePaths = ()
    """Coverage that the command writes: data files of coverage.py, or LCOV files, relative to where it runs."""

    @model_validator(mode="after")
    def _fits(self) -> TestStage:
        _one_way(self, self.preset)
        if self.preset is None:
            asked = {"shards": self.shards > 1, "reruns": self.reruns > 0}
            if wrong := [key for key, is_asked in asked.items() if is_asked]:
                raise Conflicts(*(((key,), f"`{key}` needs a `preset`") for key in wrong))
            if self.coverage and not self.coverage_files:
                raise Conflicts((("coverage",), "expected a `preset`, or `coverage-files` that the command writes"))
        elif self.junit or self.coverage_files:
            keys = [key for key, value in (("junit", self.junit), ("coverage-files", self.coverage_files)) if value]
            raise Conflicts(*(((key,), "a preset writes its own reports: expected `command`") for key in keys))
        return self


def _one_way(stage: Stage, preset: str | None) -> None:
    if (stage.command is None) == (preset is None):
        raise Conflicts(((), "expected either `command` or `preset`"))
    if preset is None:
        keys = [key for key, value in (("args", stage.args), ("paths", stage.paths)) if value]
        if keys:
            raise Conflicts(*(((key,), f"`{key}` needs a `preset`: write it into the command") for key in keys))
    if stage.folder and stage.services:
        raise Conflicts((("folder",), "expected either `folder` or `services`"))
    if stage.inputs_env and not stage.inputs:
        raise Conflicts((("inputs-env",), "has no meaning without `inputs`"))


class CheckRules(Section):
    """`[tool.shiptasks.check]`: how stages are run."""

    jobs: int = Field(0, ge=0, le=256)
    """Most stages at a time; 0 is one for each processor."""
    keep_going: bool = False
    """Run all stages to their end, even when one has failed."""
    timeout: Duration = Duration("30m")
    """Longest time that a stage may take."""
    lint_budget: Duration = Duration("2m")
    """Time that each lint stage should take: more is reported, and fails nothing."""
    test_budget: Duration = Duration("3m")
    """Time that each test stage should take: more is reported, and fails nothing."""
    scan_budget: Duration = Duration("2m")
    """Time that each scan should take: more is reported, and fails nothing."""
    base: str = ""
    """Branch that `--changed` and the trend of the coverage compare with; the remote's default branch when empty."""


class CoverageRules(Section):
    """`[tool.shiptasks.coverage]`: how much of the code the tests must reach, as percent of lines and branches."""

    threshold: Percent | None = None
    """Percent of all measured code that must be covered."""
    services: Table[Name, Percent] = frozen()
    """Percent that must be covered of a service, which is the files in the folder of its build context."""
    max_drop: Percent | None = None
    """Points that it may fall below the last run on the default branch. Not checked when left out."""


class Bundle(Waits):
    """`[tool.shiptasks.bundles.<name>]`: files that browsers load, and how large they may be."""

    folder: RelativePath
    """Folder that they are in, relative to pyproject.toml, such as `web/dist`."""
    files: RelativePaths = ("**/*.js", "**/*.mjs", "**/*.css")
    """Which files count, as patterns relative to `folder`, written as those of `inputs`."""
    command: Command | None = None
    """Command that builds them, in the folder of pyproject.toml."""
    limit: Size
    """What all files may take together, as `compress` says."""
    limit_each: Size | None = None
    """What a single file may take."""
    compress: Literal["gzip", "none"] = "gzip"
    """What is measured: the files as a web server sends them with gzip, or as they are."""

    @model_validator(mode="after")
    def _measures_something(self) -> Bundle:
        if not self.files:
            raise Conflicts((("files",), "expected at least one pattern: a bundle of nothing would always pass"))
        return self


class Container(Section):
    """`[tool.shiptasks.containers.<name>]`: a real service for tests, such as a database. Plain text is its `image`."""

    text_key = "image"

    image: Image
    """Image to start: `postgres`, `redis`, `valkey`, `mysql`, `mariadb`, `rabbitmq`, `mongo` and `memcached`, of any
    registry, need nothing else."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Port inside the container; the tests reach it on a free port. Known for the images above."""
    env: Table[VariableName, str] = frozen()
    """Variables of the container. `{user}`, `{password}` and `{database}` are replaced."""
    command: Words = ()
    """Arguments in the place of the image's own command."""
    health: Words = ()
    """Command that succeeds in the container once it is ready. When left out: that of the known image, else the
    image's own healthcheck, else that the port answers."""
    variables: Table[VariableName, str] = frozen()
    """What the tests get: texts with `{host}`, `{port}`, `{user}`, `{password}` and `{database}`. Known images have
    one, such as `DATABASE_URL`, unless this says otherwise."""
    ready: Duration = Duration("60s")
    """Longest wait until it is ready, after its image is there."""

    @model_validator(mode="after")
    def _fits(self) -> Container:
        found: list[tuple[tuple[str | int, ...], str]] = []
        if self.port is None and self.image.repository.rpartition("/")[2] not in KNOWN_IMAGES:
            found.append((("port",), f"the image {self.image} is not known here: give its `port`, and its `variables`"))
        for name, text in self.variables.items():
            for placeholder in PLACEHOLDER.findall(text):
                if placeholder not in PLACEHOLDERS:
                    known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
                    found.append((("variables", name), f"{{{placeholder}}} is not known here: expected one of {known}"))
        if found:
            raise Conflicts(*found)
        return self


class CheckHooks(TaskHooks):
    """`[tool.shiptasks.hooks.check]`: what runs around `inv check`; in `inv lint` and `inv test` those of the stage."""

    lint: StageHooks = StageHooks()
    """Around all lint commands."""
    test: StageHooks = StageHooks()
    """Around all test commands."""
