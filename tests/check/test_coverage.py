"""Coverage put together, against the numbers of the real coverage.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from shiptasks.check import lcov
from shiptasks.check.coverage import Coverage, Delta, StageCoverage, combine, delta, remember, short
from shiptasks.check.coverage_model import Totals, shown, summed
from shiptasks.check.coverage_py import program
from shiptasks.check.sections import CoverageRules
from shiptasks.errors import Failed

BIN = Path(sys.executable).parent
PACKAGE = """
def f(x):
    if x:  # pragma: no branch
        return 1
    return 2

def g(x):
    for i in range(x):
        if i > 3:
            return i
    return None

def h(x):  # pragma: no cover
    return 4
"""
BRANCH = '[tool.coverage.run]\nbranch = true\nsource = ["shop"]\n'


class Repository:
    """A repository in which tests measure coverage."""

    def __init__(self, base: Path) -> None:
        self.root, self.work, self.reports = base / "repo", base / "work", base / "reports"
        self.root.mkdir()
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST_"))}
        self.environ["PATH"] = f"{BIN}:{os.environ['PATH']}"

    def write(self, path: str, text: str) -> Path:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)
        return self.root / path

    def coverage(self, *words: str, cwd: str = ".", data: Path) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "coverage", *words],
            cwd=self.root / cwd,
            env={**self.environ, "COVERAGE_FILE": str(data)},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def measured(self, name: str, script: str, cwd: str = ".") -> StageCoverage:
        """What a run of `script` measured in that folder."""
        data = self.work / name / ".coverage"
        data.parent.mkdir(parents=True)
        self.write(f"{cwd}/{name}_script.py", script)
        self.coverage("run", f"{name}_script.py", cwd=cwd, data=data)
        return StageCoverage((data,), (self.root / cwd).resolve(), ("pytest", "-q"), self.environ)

    def lcov(self, name: str, text: str, cwd: str = "web") -> StageCoverage:
        self.write(f"{cwd}/package.json", "{}")
        file = self.work / name / "lcov.info"
        file.parent.mkdir(parents=True)
        file.write_text(text)
        return StageCoverage((file,), self.root / cwd, ("vitest", "run"), self.environ)

    def combined(self, contexts: dict[str, str] | None = None, **stages: StageCoverage) -> Coverage:
        named = {f"test.{name}": stage for name, stage in stages.items()}
        return combine(named, self.root, contexts or {}, self.work / "combined", self.reports)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def totals_of(repository: Repository, data: Path, cwd: str = ".") -> Totals:
    """What `coverage json` says of a data file; its percent is held against `coverage report`."""
    out = repository.work / "expected.json"
    repository.coverage("json", "-o", str(out), cwd=cwd, data=data)
    found = json.loads(out.read_text())["totals"]
    totals = Totals(
        found["num_statements"], found["covered_lines"], found.get("num_branches", 0), found.get("covered_branches", 0)
    )
    report = repository.coverage("report", "--precision=6", "--format=total", cwd=cwd, data=data)
    assert report.strip() == f"{totals.percent:.6f}"
    return totals


def test_one_stage_is_exactly_what_coverage_py_says(repository: Repository) -> None:
    repository.write("pyproject.toml", BRANCH + "[tool.coverage.report]\nfail_under = 99\n")
    repository.write("shop/__init__.py", PACKAGE)
    repository.write("shop/unused.py", "a = 1\nif a:\n    b = 2\n")
    stage = repository.measured("unit", "from shop import f, g\nf(1)\ng(2)\n")
    coverage = repository.combined(unit=stage)
    repository.write("pyproject.toml", BRANCH)
    assert coverage.whole == totals_of(repository, stage.files[0])
    assert set(coverage.files) == {"shop/__init__.py", "shop/unused.py"}
    assert coverage.whole.branches > 0
    assert coverage.files["shop/unused.py"].totals.percent == 0


def test_without_branches(repository: Repository) -> None:
    repository.write("pyproject.toml", '[tool.coverage.run]\nsource = ["shop"]\n')
    repository.write("shop/__init__.py", PACKAGE)
    stage = repository.measured("unit", "from shop import g\ng(1)\n")
    assert repository.combined(unit=stage).whole == totals_of(repository, stage.files[0])


def test_stages_of_one_folder_reach_more_together(repository: Repository) -> None:
    repository.write("pyproject.toml", BRANCH)
    repository.write("shop/__init__.py", PACKAGE)
    one = repository.measured("one", "from shop import f\nf(1)\n")
    two = repository.measured("two", "from shop import g\ng(9)\n")
    coverage = repository.combined(one=one, two=two)
    both = repository.work / ".both"
    repository.coverage("combine", "--keep", str(one.files[0]), str(two.files[0]), data=both)
    assert coverage.whole == totals_of(repository, both)
    assert coverage.percent > max(repository.combined(one=one).percent, repository.combined(two=two).percent)
    assert one.files[0].is_file()


def test_services_with_configurations_of_their_own(repository: Repository) -> None:
    for name in ("api", "worker"):
        repository.write(f"{name}/.coveragerc", "[run]\nbranch = true\nsource = app\n")
        repository.write(f"{name}/app/__init__.py", PACKAGE)
    api = repository.measured("api", "from app import f, g\nf(1)\ng(9)\n", cwd="api")
    worker = repository.measured("worker", "from app import f\n", cwd="worker")
    web = repository.lcov("web", "SF:src/a.js\nDA:1,1\nDA:2,0\nend_of_record\n")
    repository.write("web/src/a.js", "one\ntwo\n")
    contexts = {"api": "api", "worker": "./worker", "web": "web", "docs": "docs"}
    coverage = repository.combined(contexts, api=api, worker=worker, web=web)
    expected = {
        "api": totals_of(repository, api.files[0], "api"),
        "worker": totals_of(repository, worker.files[0], "worker"),
        "web": Totals(2, 1, 0, 0),
        "docs": Totals(),
    }
    assert coverage.services == expected
    assert coverage.whole == expected["api"] + expected["worker"] + expected["web"]
    assert set(coverage.files) == {"api/app/__init__.py", "worker/app/__init__.py", "web/src/a.js"}


def test_reports_are_written_and_those_of_the_last_run_are_gone(repository: Repository) -> None:
    repository.write("pyproject.toml", BRANCH)
    repository.write("shop/__init__.py", PACKAGE)
    repository.write("web/src/a&b.js", "one\n")
    (repository.reports / "coverage").mkdir(parents=True)
    (repository.reports / "coverage" / "stale.html").touch()
    (repository.reports / "junit.xml").touch()
    unit = repository.measured("unit", "from shop import f\nf(0)\n")
    web = repository.lcov("web", "SF:src/a&b.js\nDA:1,1\nBRDA:1,0,0,1\nBRDA:1,0,1,0\nend_of_record\n")
    (web.files[0].parent / "lcov-report").mkdir()
    (web.files[0].parent / "lcov-report" / "index.html").write_text("istanbul")
    coverage = repository.combined({"web": "web"}, unit=unit, web=web)

    pages = repository.reports / "coverage"
    assert sorted(path.name for path in repository.reports.iterdir()) == [
        "coverage", "coverage.json", "coverage.xml", "junit.xml", "lcov.info",
    ]  # fmt: skip
    assert sorted(path.name for path in pages.iterdir()) == ["index.html", "python", "test.web"]
    index = (pages / "index.html").read_text()
    for part in ('href="python/index.html"', 'href="test.web/index.html"', "web/src/a&amp;b.js", "shop/__init__.py"):
        assert part in index
    assert (pages / "python" / "index.html").is_file()

    data = json.loads((repository.reports / "coverage.json").read_text())
    assert data["percent"] == coverage.percent
    assert data["services"]["web"]["lines_covered"] == 1
    assert lcov.read((repository.reports / "lcov.info").read_text()).keys() == coverage.files.keys()

    xml = ElementTree.parse(repository.reports / "coverage.xml").getroot()
    assert int(xml.attrib["lines-valid"]) == coverage.whole.lines
    assert int(xml.attrib["branches-covered"]) == coverage.whole.taken
    assert {each.attrib["filename"] for each in xml.iter("class")} == set(coverage.files)
    (line,) = (each for each in xml.iter("line") if each.get("condition-coverage") == "50% (1/2)" and each.get("hits"))
    assert line.attrib["number"] == "1"


def failure(repository: Repository, **stages: StageCoverage) -> Failed:
    with pytest.raises(Failed) as raised:
        repository.combined({}, **stages)
    assert not repository.reports.exists()
    return raised.value


def test_a_stage_that_measured_nothing(repository: Repository) -> None:
    error = failure(repository, unit=StageCoverage((), repository.root))
    assert error.what == "test.unit measured no coverage"


def test_branches_here_and_none_there(repository: Repository) -> None:
    repository.write("shop/__init__.py", PACKAGE)
    repository.write("pyproject.toml", BRANCH)
    one = repository.measured("one", "import shop\n")
    repository.write("pyproject.toml", "")
    error = failure(repository, one=one, two=repository.measured("two", "import shop\n"))
    assert error.what == "some tests measured branches and others did not: their coverage cannot be combined"


def test_sources_that_are_gone(repository: Repository) -> None:
    repository.write("pyproject.toml", BRANCH)
    repository.write("shop/__init__.py", PACKAGE)
    gone = repository.write("shop/made.py", "a = 1\n")
    stage = repository.measured("unit", "import shop.made\n")
    gone.unlink()
    assert failure(repository, unit=stage).what == f"a file that was measured is not there any more: {gone}"


def test_a_data_file_that_cannot_be_read_fails_even_beside_good_ones(repository: Repository) -> None:
    repository.write("pyproject.toml", BRANCH)
    repository.write("shop/__init__.py", PACKAGE)
    good, bad = repository.measured("good", "import shop\n"), repository.measured("bad", "import shop\n")
    bad.files[0].write_bytes(bad.files[0].read_bytes()[:3000])
    error = failure(repository, good=good, bad=bad)
    assert error.what.startswith("coverage.py cannot read a data file: ")
    assert error.where == str(bad.files[0])


def test_a_data_file_of_another_time(repository: Repository) -> None:
    import sqlite3

    repository.write("shop/__init__.py", PACKAGE)
    stage = repository.measured("unit", "import shop\n")
    connection = sqlite3.connect(stage.files[0])
    with connection:
        connection.execute("update coverage_schema set version = 99")
    connection.close()
    error = failure(repository, unit=stage)
    assert error.what == "coverage.py cannot read a data file: wrong schema: 99 instead of 7"
    assert error.hint == "measure and combine with the same version of coverage.py"


def test_nothing_in_the_data(repository: Repository) -> None:
    repository.write("pyproject.toml", '[tool.coverage.run]\nsource = ["elsewhere"]\n')
    repository.write("elsewhere/__init__.py", PACKAGE)
    stage = repository.measured("unit", "import elsewhere\n")
    repository.write("pyproject.toml", '[tool.coverage.report]\nomit = ["*"]\n')
    assert failure(repository, unit=stage).what == "coverage.py measured nothing"


def test_coverage_py_that_is_not_installed(repository: Repository, tmp_path: Path) -> None:
    repository.write("shop/__init__.py", PACKAGE)
    stage = repository.measured("unit", "import shop\n")
    empty = StageCoverage(stage.files, stage.cwd, (), {**stage.environ, "PATH": str(tmp_path)})
    error = failure(repository, unit=empty)
    assert (error.what, error.hint) == ("the command 'coverage' was not found", "pip install coverage")
    isolated = StageCoverage(stage.files, stage.cwd, (sys.executable, "-IS", "-m", "pytest"), stage.environ)
    error = failure(repository, unit=isolated)
    assert (error.what, error.hint) == ("coverage.py is not installed beside pytest", "pip install coverage")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the coverage of test.web cannot be read: the LCOV report names no file"),
        (
            "SF:a\n",
            "the coverage of test.web cannot be read: the LCOV report ends in the middle of a file: it was cut off",
        ),
        ("SF:gone.js\nDA:1,1\nend_of_record\n", "a file that was measured is not there: gone.js"),
        ("SF:a\0b\nDA:1,1\nend_of_record\n", "a file that was measured is not there: a\0b"),
    ],
)  # fmt: skip
def test_lcov_that_is_none(repository: Repository, text: str, said: str) -> None:
    assert failure(repository, web=repository.lcov("web", text)).what == said


def test_a_file_that_is_neither(repository: Repository) -> None:
    stage = repository.lcov("web", "")
    stage.files[0].write_bytes(b"\xff\xfe\x00")
    error = failure(repository, web=stage)
    assert error.what == "the coverage of test.web is neither data of coverage.py nor LCOV"
    stage.files[0].unlink()
    error = failure(repository, web=stage)
    assert error.what == "the coverage of test.web cannot be read: No such file or directory"


def test_coverage_py_is_taken_from_where_pytest_is(tmp_path: Path) -> None:
    environ = {"PATH": str(BIN)}
    assert program(("pytest", "-q"), environ) == (str(BIN / "python"), "-m", "coverage")
    assert program((str(BIN / "pytest"),), {}) == (str(BIN / "python"), "-m", "coverage")
    assert program(("python3", "-m", "pytest", "tests"), environ) == ("python3", "-m", "coverage")
    assert program(("uv", "run", "--python", "3.12", "pytest"), environ) == (
        "uv", "run", "--python", "3.12", "python", "-m", "coverage",
    )  # fmt: skip
    assert program(("make", "test"), environ) == program((), environ) == ("coverage",)
    assert program(("pytest",), {"PATH": str(tmp_path)}) == ("coverage",)
    script = tmp_path / "pytest"
    script.write_text(f"#!{sys.executable}\n")
    script.chmod(0o755)
    assert program(("pytest",), {"PATH": str(tmp_path)}) == (sys.executable, "-m", "coverage")
    script.write_bytes(b"\x7fELF")
    assert program(("pytest",), {"PATH": str(tmp_path)}) == ("coverage",)


def test_a_file_belongs_to_the_service_that_is_deepest() -> None:
    one = lcov.read("SF:a\nDA:1,1\nend_of_record\n")["a"]
    files = dict.fromkeys(["a.py", "web/b.js", "web/admin/c.js", "website/d.js", "/usr/lib/e.py"], one)
    found = summed(files, {"all": ".", "web": "web", "same": "web/", "admin": "web/admin"}).services
    assert {name: totals.lines for name, totals in found.items()} == {"all": 2, "web": 1, "same": 1, "admin": 1}


@pytest.mark.parametrize(
    ("percent", "text"), [(0, "0.0"), (0.01, "0.1"), (81.25, "81.2"), (99.99, "99.9"), (100, "100.0"), (79.96, "80.0")]
)
def test_rounding_never_makes_nothing_or_everything(percent: float, text: str) -> None:
    assert shown(percent) == text


def covered(lines: int, hit: int, **services: tuple[int, int]) -> Coverage:
    return Coverage({}, Totals(lines, hit), {name: Totals(*counts) for name, counts in services.items()})


def rules(**values: object) -> CoverageRules:
    return CoverageRules.model_validate(values)


def test_thresholds() -> None:
    assert short(covered(1000, 813), rules(threshold=80), None) == ()
    assert short(covered(1000, 793), rules(threshold=80), None) == ("79.3 % of 80 %",)
    assert short(covered(10_000, 7_996), rules(threshold=80), None) == ()  # shown as 80.0
    assert short(covered(100_000, 80_244), rules(threshold=80.25), None) == ("80.24 % of 80.25 %",)
    assert short(covered(100_000, 99_999), rules(threshold=100), None) == ("99.9 % of 100 %",)
    assert short(covered(1, 0), rules(), None) == ()
    assert short(covered(0, 0), rules(threshold=1), None) == ("nothing was measured of 1 %",)


def test_thresholds_of_services() -> None:
    coverage = covered(100, 90, api=(50, 50), web=(10, 1), docs=(0, 0))
    asked = rules(threshold=80, services={"api": 100, "web": 50.5, "docs": 1, "gone": 2})
    assert short(coverage, asked, None) == (
        "web: 10.0 % of 50.5 %",
        "docs: nothing was measured of 1 %",
        "gone: nothing was measured of 2 %",
    )


def test_the_change_against_the_default_branch(tmp_path: Path) -> None:
    state = tmp_path / ".shiptasks"
    assert delta(covered(10, 9), state) is None
    remember(covered(1000, 834, api=(10, 5)), state, "main", "abc123")
    change = delta(covered(1000, 813, api=(10, 6), web=(1, 1)), state)
    assert change is not None
    assert (change.branch, change.revision, str(change)) == ("main", "abc123", "-2.1 points against main")
    assert change.services == {"api": pytest.approx(10.0)}
    assert str(delta(covered(10_000, 8_341), state)) == "as on main"
    assert short(covered(1000, 813), rules(**{"max-drop": 1}), change) == (
        "81.3 %, 2.1 points below main: max-drop allows 1",
    )
    assert short(covered(1000, 813), rules(**{"max-drop": 2.1}), change) == ()
    assert short(covered(1000, 813), rules(), change) == ()
    assert short(covered(1000, 813), rules(**{"max-drop": 0}), None) == ()
    assert short(covered(1000, 813), rules(**{"max-drop": 0}), Delta("main", "", 81.3, 0.0, {})) == ()
    assert [path.name for path in state.iterdir()] == ["coverage-base.json"]


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"percent": "x"}', '{"percent": 1, "services": []}', "\0"])
def test_a_broken_memory_is_none(tmp_path: Path, kept: str) -> None:
    (tmp_path / "coverage-base.json").write_text(kept)
    assert delta(covered(1, 1), tmp_path) is None


def test_a_memory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(Failed, match=r"^the coverage cannot be kept: (File exists|Not a directory)$"):
        remember(covered(1, 1), tmp_path / "state", "main", "")


@pytest.mark.parametrize("wrong", [-1, 101, "80", float("nan"), float("inf"), True])
def test_thresholds_that_are_none(wrong: object) -> None:
    for key in ("threshold", "max-drop"):
        with pytest.raises(ValueError, match=key):
            rules(**{key: wrong})
