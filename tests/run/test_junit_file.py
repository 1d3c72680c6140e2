from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

from hypothesis import given
from hypothesis import strategies as st

from shiptasks.run.events import Bus, RunFinished, RunStarted, StepFinding
from shiptasks.run.junit import NAME, JUnitFile, junit
from shiptasks.run.results import Results
from tests.run.recorded import begun, ended


def read(results: Results) -> Xml.Element:
    return Xml.fromstring(junit(results))


def test_a_suite_for_each_kind_and_a_case_for_each_stage(tmp_path: Path) -> None:
    bus = Bus(JUnitFile(tmp_path / "run", tmp_path / "reports"))
    for event in (*begun(), *ended()):
        bus.emit(event)
    assert (tmp_path / "run" / NAME).read_bytes() == (tmp_path / "reports" / NAME).read_bytes()
    root = Xml.parse(tmp_path / "run" / NAME).getroot()
    lint, test = root
    assert root.attrib == {"name": "check"}
    assert lint.attrib == {
        "name": "lint", "tests": "4", "failures": "2", "errors": "0", "skipped": "0", "time": "3.230"
    }  # fmt: skip
    assert (test.attrib["failures"], test.attrib["skipped"]) == ("1", "1")
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert list(cases) == [
        "lint.ruff", "lint.mypy", "lint.yamllint", "lint.format", "test.unit", "test.web", "test.integration"
    ]  # fmt: skip
    ruff = cases["lint.ruff"].find("failure")
    assert ruff is not None
    assert ruff.attrib == {"message": "3 findings"}
    assert (ruff.text or "").splitlines()[1] == "api/app.py:12:5: high: ruff F401: `os` imported but unused"
    unit = cases["test.unit"].find("failure")
    assert unit is not None
    assert "FAILED tests/unit/test_cart.py::test_total" in (unit.text or "")
    assert cases["lint.format"].findtext("system-out") == "cached: unchanged since 07:12"
    assert cases["lint.yamllint"].findtext("system-out") == "warned: 1 finding"
    skipped = cases["test.integration"].find("skipped")
    assert skipped is not None
    assert skipped.attrib == {"message": "test unit has failed"}


@given(st.text(), st.text(), st.binary())
def test_whatever_a_stage_says_it_is_xml(title: str, detail: str, output: bytes) -> None:
    results = Results(lines=200)
    bus = Bus(results)
    with bus.step(f"test {title}", stage="test") as step:
        step.output(output.decode("utf-8", "replace"))
        step.output(output.decode("utf-8", "surrogateescape"))
        step.output("]]> & <failure>")
        bus.emit(
            StepFinding(
                step=step.step, tool=title, file=detail, line=1, column=0, rule=title, message=detail, severity="high"
            )
        )
        step.outcome, step.detail = "failed", detail
    failure = read(results).find("testsuite/testcase/failure")
    assert failure is not None
    assert "]]> & <failure>" in (failure.text or "")


def test_what_did_not_end_is_an_error() -> None:
    results = Results()
    bus = Bus(results)
    bus.emit(RunStarted(run_id="r", task="check", project="shop"))
    for event in begun():
        bus.emit(event)
    bus.emit(RunFinished(outcome="interrupted", seconds=1, exit_code=130))
    root = read(results)
    assert [suite.attrib["errors"] for suite in root] == ["3", "1"]
    error = root.find("testsuite/testcase/error")
    assert error is not None
    assert error.attrib == {"message": "it did not end"}
