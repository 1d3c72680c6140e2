from __future__ import annotations

from pathlib import Path

import pytest

from shiptasks.check.order import waves
from shiptasks.check.plan import Options, Stage, plan
from shiptasks.check.presets import PRESETS
from shiptasks.check.sections import LintPreset, TestPreset
from shiptasks.config.load import load
from shiptasks.config.model import Project
from shiptasks.errors import UsageError


@pytest.fixture
def configured(tmp_path: Path):  # type: ignore[no-untyped-def]
    def make(text: str) -> Project:
        (tmp_path / "pyproject.toml").write_text(f'[tool.shiptasks]\nproject = "shop"\n{text}')
        return load(tmp_path)

    return make


SHOP = """
services.api.context = "api"
services.worker.context = "worker"
lint.ruff = { preset = "ruff", paths = ["src"] }
lint.types = { preset = "mypy", services = ["*"] }
lint.words = "echo fine | cat"
test.unit = { preset = "pytest", shards = 2, needs = ["lint.ruff"] }
test.matrix = { command = "pytest -q", python = ["3.11", "3.12"], needs = ["lint"] }
"""
IDS = [
    "lint.ruff",
    "lint.types.api",
    "lint.types.worker",
    "lint.words",
    "test.unit.1of2",
    "test.unit.2of2",
    "test.matrix.py3.11",
    "test.matrix.py3.12",
]


def ids(stages: tuple[Stage, ...]) -> list[str]:
    return [stage.id for stage in stages]


def by_id(stages: tuple[Stage, ...]) -> dict[str, Stage]:
    return {stage.id: stage for stage in stages}


def test_stages_in_the_order_of_the_configuration_one_for_each_variant(configured, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").touch()
    stages = plan(configured(SHOP))
    assert ids(stages) == IDS
    found = by_id(stages)
    assert found["lint.types.worker"].cwd == tmp_path / "worker"
    assert found["lint.types.worker"].title == "lint types worker"
    assert found["lint.words"].argv == ("bash", "-o", "pipefail", "-c", "echo fine | cat")
    assert found["lint.ruff"].command(Path("/out"))[-1] == "src"
    assert found["test.unit.2of2"].env == {"SHIPTASKS_SHARD": "2/2"}
    assert found["test.unit.2of2"].needs == ("lint.ruff",)
    assert found["test.matrix.py3.12"].needs == ("lint.ruff", "lint.types.api", "lint.types.worker", "lint.words")
    assert found["test.matrix.py3.12"].command(Path("/out"))[:6] == (
        "uv", "run", "--isolated", "--python", "3.12", "--",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("only", "skip", "expected"),
    [
        (("lint",), (), IDS[:4]),
        (("lint.types",), (), IDS[1:3]),
        (("types.api",), (), IDS[1:2]),
        (("unit",), (), IDS[4:6]),
        (("test.unit.2of2", "words"), (), [IDS[3], IDS[5]]),
        ((), ("test", "types"), [IDS[0], IDS[3]]),
        (("lint",), ("ruff",), IDS[1:4]),
    ],
)
def test_only_and_skip(configured, only: tuple[str, ...], skip: tuple[str, ...], expected: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert ids(plan(configured(SHOP), Options(only=only, skip=skip))) == expected


def test_what_is_not_chosen_is_not_waited_for(configured) -> None:  # type: ignore[no-untyped-def]
    (first, _) = plan(configured(SHOP), Options(only=("unit",)))
    assert first.needs == ()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (Options(only=("ruf",)), "there is no lint or test command named 'ruf'"),
        (Options(skip=("nope",)), "there is no lint or test command named 'nope'"),
        (Options(kinds=("lint",), only=("unit",)), "there is no lint command named 'unit'"),
        (Options(skip=("lint", "test")), "nothing is left to check"),
        (Options(shard=(1, 4)), "test.unit has 2 parts, not 4"),
        (Options(shard=(1, 2), only=("lint",)), "no stage is split into parts"),
    ],
)
def test_wrong_wishes(configured, options: Options, what: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError) as caught:
        plan(configured(SHOP), options)
    assert caught.value.what == what
    assert caught.value.now == "nothing was run"


def test_a_shard_is_only_that_part(configured) -> None:  # type: ignore[no-untyped-def]
    assert ids(plan(configured(SHOP), Options(kinds=("test",), only=("unit",), shard=(2, 2)))) == ["test.unit.2of2"]


def test_nothing_configured_is_an_error_that_names_the_table(configured) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError) as caught:
        plan(configured('lint.ruff = "ruff check"\n'), Options(kinds=("test",)))
    assert caught.value.where == "[tool.shiptasks.test] in pyproject.toml"
    with pytest.raises(UsageError) as caught:
        plan(configured(""))
    assert caught.value.where == "[tool.shiptasks.lint] or [tool.shiptasks.test] in pyproject.toml"


def test_a_command_that_cannot_be_read_is_an_error_at_its_place(configured) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError) as caught:
        plan(configured('lint.ruff = "ruff \'check"\n'))
    assert caught.value.where.endswith("pyproject.toml:3:13")
    assert caught.value.now == "nothing was run"


def test_changed_limits_the_presets_that_take_files(configured) -> None:  # type: ignore[no-untyped-def]
    project = configured(SHOP + 'lint.docker = { preset = "hadolint" }\n')
    differing = {"src/a.py", "other/b.py", "api/c.py", "README.md"}
    found = by_id(plan(project, Options(changed=lambda: differing)))
    assert found["lint.ruff"].request is not None
    assert found["lint.ruff"].request.files == ("src/a.py",)
    assert found["lint.types.api"].request is not None
    assert found["lint.types.api"].request.files is None  # mypy needs to see all
    assert found["lint.docker"].idle == "no such file differs"
    assert found["lint.words"].idle == ""


def test_waves(configured) -> None:  # type: ignore[no-untyped-def]
    found = [ids(wave) for wave in waves(plan(configured(SHOP)))]
    assert found == [IDS[:4], IDS[4:]]


def test_the_presets_of_the_configuration_are_those_that_there_are() -> None:
    from typing import get_args

    by_kind = {kind: {name for name, preset in PRESETS.items() if preset.kind == kind} for kind in ("lint", "test")}
    assert set(get_args(LintPreset)) == by_kind["lint"]
    assert set(get_args(TestPreset)) == by_kind["test"]


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ('lint.a = { preset = "ruf" }', "3:21", 'not "ruf"'),
        ('lint.a = { preset = "ruff", command = "ruff" }', "3:10", "expected either `command` or `preset`"),
        ("lint.a = {}", "3:10", "expected either `command` or `preset`"),
        ('lint.a = { command = "x", args = ["y"] }', "3:34", "`args` needs a `preset`"),
        ('lint.a = { preset = "ruff", fix = "x" }', "3:35", "a preset knows itself how to fix"),
        ('lint.a = { command = "x", needs = ["lint.b"] }', "3:36", "there is no stage named 'lint.b'"),
        ('lint.a = { command = "x", needs = ["lint"] }', "3:35", "these wait for each other: lint.a -> lint.a"),
        ('lint.a = { command = "x", services = ["apu"] }', "3:39", "there is no service named 'apu'"),
        ('test.a = { command = "x", containers = ["pg"] }', "3:41", "there is no container named 'pg'"),
        ('test.a = { command = "x", shards = 2 }', "3:36", "`shards` needs a `preset`"),
        ('test.a = { command = "x", shards = 0 }', "3:36", "1"),
        ('test.a = { command = "x", coverage = true }', "3:38", "expected a `preset`, or `coverage-files`"),
        ('test.a = { preset = "pytest", junit = "x.xml" }', "3:39", "a preset writes its own reports"),
        ('test.a = { command = "x", python = ["3"] }', "3:37", 'expected a version of Python such as "3.12"'),
        ('test.a = { command = "x", inputs-env = ["A"] }', "3:40", "has no meaning without `inputs`"),
        ('test.a = { command = "x", env = { "A-B" = "1" } }', "3:35", "expected the name of a variable"),
        ("check.jobs = -1", "3:14", "0"),
        ("coverage.threshold = 101", "3:22", "100"),
        ("coverage.services.api = 80", "3:", "there is no service named 'api'"),
    ],
)
def test_each_wrong_key_is_answered_at_its_place(configured, text: str, place: str, what: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError) as caught:
        configured(f"{text}\n")
    shown = "\n".join((caught.value.what, caught.value.where, *caught.value.details))
    assert what in shown
    assert f"pyproject.toml:{place}" in shown


def test_stages_that_wait_for_each_other(configured) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError) as caught:
        configured(
            'lint.a = { command = "x", needs = ["test.b"] }\ntest.b = { command = "x", needs = ["lint.c"] }\n'
            'lint.c = { command = "x", needs = ["lint.a"] }\n'
        )
    assert "these wait for each other: " in caught.value.what
    assert "take one of them out" in caught.value.hint
