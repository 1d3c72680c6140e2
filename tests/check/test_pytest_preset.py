"""The preset of pytest, with the real pytest, pytest-cov and pytest-split in repositories of their own."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shiptasks.check.coverage import StageCoverage, combine
from shiptasks.check.coverage_model import Totals
from shiptasks.check.preset import Ended, Reading, Request, Unreadable
from shiptasks.check.presets.pytest import PYTEST
from shiptasks.check.reports import merged
from shiptasks.run import process

ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))}
ENVIRON |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
NO_PLUGINS = ("-p", "no:xdist", "-p", "no:hypothesispytest")


def ran(request: Request) -> Ended:
    environ = {**ENVIRON, **PYTEST.environ(request)}
    result = process.run(PYTEST.command(request), cwd=request.cwd, env=environ, check=False)
    return Ended(result.exit_code, result.stdout, result.stderr)


def read(request: Request) -> Reading:
    return PYTEST.read(request, ran(request))


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    root, out = tmp_path / "repo", tmp_path / "out"
    root.mkdir()
    out.mkdir()
    write(root, "pyproject.toml", "[tool.pytest.ini_options]\n")
    return Request(root, root, out, args=NO_PLUGINS)


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_results_are_read(request_: Request) -> None:
    write(
        request_.root,
        "tests/test_a.py",
        "import pytest\n\ndef test_good():\n    pass\n\nclass TestCart:\n    @pytest.mark.parametrize('n', [1, 2])\n"
        "    def test_add(self, n):\n        total = n\n        assert total == 1, 'not one'\n\n"
        "@pytest.mark.skip(reason='later')\ndef test_later():\n    pass\n",
    )
    reading = read(request_)
    assert not reading.passed
    assert reading.detail == "2 passed, 1 failed, 1 skipped"
    assert [(finding.file, finding.line, finding.rule, finding.severity) for finding in reading.findings] == [
        ("tests/test_a.py", 10, "tests/test_a.py::TestCart::test_add[2]", "high")
    ]
    assert reading.findings[0].message == "AssertionError: not one"
    assert reading.tests is not None
    assert [(case.name, case.outcome, case.line) for case in reading.tests.cases] == [
        ("tests/test_a.py::test_good", "passed", 3),
        ("tests/test_a.py::TestCart::test_add[1]", "passed", 7),
        ("tests/test_a.py::TestCart::test_add[2]", "failed", 10),
        ("tests/test_a.py::test_later", "skipped", 12),
    ]


def test_all_is_well(request_: Request) -> None:
    write(request_.root, "test_a.py", "def test_good():\n    pass\n")
    reading = read(replace(request_, paths=("test_a.py",)))
    assert (reading.passed, reading.detail, reading.findings) == (True, "1 passed", ())
    assert not (request_.root / ".pytest_cache").exists()


def test_a_file_that_cannot_be_loaded(request_: Request) -> None:
    write(request_.root, "tests/test_a.py", "import nothing_of_that_name\n")
    reading = read(request_)
    assert not reading.passed
    assert [(finding.file, finding.rule) for finding in reading.findings] == [("tests/test_a.py", "tests/test_a.py")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "pytest found no tests in its folder"),
        ({"paths": ("tests",)}, "pytest could not begin: file or directory not found: tests"),
        ({"args": ("--no-such",)}, "pytest could not begin: unrecognized arguments: --no-such"),
        (
            {"coverage": True, "args": ("-p", "no:pytest_cov")},
            "pytest-cov is not installed, and coverage needs it: pip install pytest-cov",
        ),
        (
            {"shard": (1, 2), "args": ("-p", "no:pytest-split")},
            "pytest-split is not installed, and shards need it: pip install pytest-split",
        ),
    ],
)
def test_what_is_no_result(request_: Request, changes: dict[str, object], said: str) -> None:
    with pytest.raises(Unreadable) as raised:
        read(replace(request_, **changes))  # type: ignore[arg-type]
    assert str(raised.value) == said


def test_a_failure_of_the_session_is_one_even_when_no_test_failed(request_: Request) -> None:
    write(request_.root, "conftest.py", "def pytest_sessionfinish(session):\n    session.exitstatus = 1\n")
    write(request_.root, "test_a.py", "def test_good():\n    pass\n")
    reading = read(request_)
    assert (reading.passed, reading.detail) == (False, "1 passed, and pytest itself failed (exit code 1)")


def test_an_interrupt_is_no_pass(request_: Request) -> None:
    write(request_.root, "test_a.py", "def test_one():\n    pass\ndef test_two():\n    raise KeyboardInterrupt\n")
    with pytest.raises(Unreadable, match=r"^pytest was interrupted \(exit code 2\): not all tests have run$"):
        read(request_)


@pytest.mark.parametrize("left", ["", "<testsuites", "<testsuites/>"])
def test_exit_code_0_with_a_broken_report_is_no_pass(request_: Request, left: str) -> None:
    write(request_.out, "junit.xml", left)
    with pytest.raises(Unreadable):
        PYTEST.read(request_, Ended(0, "1 passed", ""))


@pytest.mark.parametrize("code", [3, -9, 137, 70])
def test_other_ends_are_no_pass(request_: Request, code: int) -> None:
    write(request_.out, "junit.xml", '<testsuite><testcase name="a"/></testsuite>')
    with pytest.raises(Unreadable):
        PYTEST.read(request_, Ended(code, "", ""))


def test_what_could_not_be_started_tells_why(request_: Request) -> None:
    with pytest.raises(Unreadable) as raised:
        PYTEST.read(request_, Ended(2, "", "error: No interpreter found for Python 3.99\n"))
    assert str(raised.value) == "pytest failed with exit code 2: error: No interpreter found for Python 3.99"


FLAKY = """
from pathlib import Path
def test_good():
    pass
def test_flaky():
    mark = Path(__file__).with_name("mark")
    if not mark.exists():
        mark.touch()
        raise ValueError("the first time")
def test_bad():
    assert False
"""


def test_only_failed_tests_run_again(request_: Request) -> None:
    write(request_.root, "test_a.py", FLAKY)
    first, again = read(request_), read(replace(request_, again=True))
    assert first.tests is not None
    assert again.tests is not None
    assert [case.name for case in again.tests.cases] == ["test_a.py::test_flaky", "test_a.py::test_bad"]
    assert [(case.name, case.outcome) for case in merged(first.tests, again.tests).cases] == [
        ("test_a.py::test_good", "passed"),
        ("test_a.py::test_flaky", "flaky"),
        ("test_a.py::test_bad", "failed"),
    ]


def test_nothing_to_run_again_is_no_pass(request_: Request) -> None:
    write(request_.root, "test_a.py", "def test_good():\n    pass\n")
    read(request_)
    with pytest.raises(Unreadable, match=r"^pytest found none of the failed tests again$"):
        read(replace(request_, again=True))


def test_shards_share_the_tests(request_: Request) -> None:
    write(request_.root, "test_a.py", "".join(f"def test_{number}():\n    pass\n" for number in range(5)))
    names: list[str] = []
    for part in (1, 2):
        reading = read(replace(request_, shard=(part, 2)))
        assert reading.tests is not None
        names += [case.name for case in reading.tests.cases]
    assert sorted(names) == [f"test_a.py::test_{number}" for number in range(5)]
    with pytest.raises(Unreadable, match=r"^part 9 of 9 has no tests: there are fewer tests than shards$"):
        read(replace(request_, shard=(9, 9)))


def test_coverage_leaves_data_files_of_both_runs(request_: Request) -> None:
    write(request_.root, "test_a.py", FLAKY)
    read(replace(request_, coverage=True))
    read(replace(request_, coverage=True, again=True))
    assert sorted(path.name for path in request_.out.glob(".coverage*")) == [".coverage", ".coverage.again"]
    assert not list(request_.root.glob(".coverage*"))


def test_what_the_configuration_measures_is_not_widened(request_: Request) -> None:
    assert "--cov" in PYTEST.command(replace(request_, coverage=True))
    assert "--cov" not in PYTEST.command(replace(request_, coverage=True, args=("--cov=shop",)))


def test_coverage_that_was_asked_for_and_is_not_there_is_no_pass(request_: Request) -> None:
    write(request_.root, "test_a.py", "def test_good():\n    pass\n")
    with pytest.raises(Unreadable, match=r"^pytest measured no coverage, though it was asked to"):
        read(replace(request_, coverage=True, args=("--no-cov",)))


SETTINGS = """
[tool.coverage.run]
branch = true
source = ["shop"]
{more}
[tool.pytest.ini_options]
addopts = "{addopts}"
junit_suite_name = "other"
"""


@pytest.mark.parametrize(
    ("more", "addopts"),
    [("", ""), ("parallel = true", ""), ("relative_files = true", ""), ("", "-n 2"), ("parallel = true", "-n 2")],
)
def test_its_coverage_is_that_of_coverage_py(request_: Request, tmp_path: Path, more: str, addopts: str) -> None:
    write(request_.root, "pyproject.toml", SETTINGS.format(more=more, addopts=addopts))
    write(request_.root, "shop/__init__.py", "def f(x):\n    if x:\n        return 1\n    return 2\n")
    tests = "from shop import f\ndef test_one():\n    f(1)\ndef test_two():\n    assert f(1) == 1\n"
    write(request_.root, "test_a.py", tests)
    measured = replace(request_, coverage=True, args=())
    reading = read(measured)
    assert reading.detail == "2 passed"
    stage = StageCoverage(tuple(measured.out.glob(".coverage*")), measured.cwd, PYTEST.command(measured), ENVIRON)
    coverage = combine({"test.unit": stage}, measured.root, {}, tmp_path / "work", tmp_path / "reports")
    assert coverage.whole == Totals(4, 3, 2, 1)
    assert list(coverage.files) == ["shop/__init__.py"]
