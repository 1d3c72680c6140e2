"""SARIF is held against the parts of its schema that we write, and against what GitHub takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.plugins.protocols import Severity
from shiptasks.run.events import Bus, RunFinished, StepFinding
from shiptasks.run.sarif import MOST_RESULTS, MOST_RUNS, NAME, SarifFile, sarif


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 1}
REGION = closed(["startLine"], startLine=COUNT, startColumn=COUNT)
PLACE = closed(
    ["artifactLocation", "region"],
    artifactLocation=closed(["uri"], uri={"type": "string", "format": "uri-reference", "pattern": r"^[!-~]+$"}),
    region=REGION,
)
RESULT = closed(
    ["ruleId", "ruleIndex", "level", "message", "locations"],
    ruleId={"type": "string"},
    ruleIndex={"type": "integer", "minimum": 0},
    level={"enum": ["error", "warning", "note"]},
    message=closed(["text"], text={"type": "string"}),
    locations={"type": "array", "minItems": 1, "maxItems": 1, "items": closed([], physicalLocation=PLACE)},
)
DRIVER = closed(
    ["name", "rules"],
    name={"type": "string"},
    rules={"type": "array", "uniqueItems": True, "items": closed(["id"], id={"type": "string"})},
)
RUN = closed(
    ["tool", "automationDetails", "results"],
    tool=closed(["driver"], driver=DRIVER),
    automationDetails=closed(["id"], id=TEXT),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results={"type": "array", "maxItems": MOST_RESULTS, "items": RESULT},
    properties={"type": "object"},
)
SCHEMA = closed(
    ["$schema", "version", "runs"],
    **{"$schema": TEXT, "version": {"const": "2.1.0"}, "runs": {"type": "array", "maxItems": MOST_RUNS, "items": RUN}},
)


def finding(**changed: Any) -> StepFinding:
    given = {"file": "a.py", "line": 3, "column": 7, "rule": "E1", "message": "wrong", "severity": "high"}
    return StepFinding(**{"step": "001", "tool": "ruff", **given, **changed})


FINDINGS = st.builds(
    finding,
    tool=st.text(min_size=1, max_size=8),
    file=st.text(max_size=30),
    line=st.integers(0, 10**6),
    column=st.integers(0, 10**4),
    rule=st.text(max_size=10),
    message=st.text(max_size=50),
    severity=st.sampled_from(["critical", "high", "medium", "low", "info"]),
)


@given(st.lists(FINDINGS, max_size=40))
def test_whatever_is_found_it_is_valid(found: list[StepFinding]) -> None:
    told = json.dumps(sarif(found, prefix="apps/shop/"))
    told.encode("ascii")
    document = json.loads(told)
    jsonschema.validate(document, SCHEMA)
    ids = [run["automationDetails"]["id"] for run in document["runs"]]
    assert len(ids) == len(set(ids))
    assert sum(len(run["results"]) for run in document["runs"]) == len(found)
    for run in document["runs"]:
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])


def test_one_finding() -> None:
    run = sarif([finding(file="a b/ä%.py")], prefix="apps/shop/")["runs"][0]
    assert run == {
        "tool": {"driver": {"name": "ruff", "rules": [{"id": "E1"}]}},
        "automationDetails": {"id": "shiptasks/ruff"},
        "columnKind": "unicodeCodePoints",
        "results": [
            {
                "ruleId": "E1",
                "ruleIndex": 0,
                "level": "error",
                "message": {"text": "wrong"},
                "locations": [
                    {
                        "physicalLocation": {
                            "artifactLocation": {"uri": "apps/shop/a%20b/%C3%A4%25.py"},
                            "region": {"startLine": 3, "startColumn": 7},
                        }
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("severity", "level"),
    [("critical", "error"), ("high", "error"), ("medium", "warning"), ("low", "note"), ("info", "note")],
)
def test_levels(severity: Severity, level: str) -> None:
    assert sarif([finding(severity=severity)])["runs"][0]["results"][0]["level"] == level


@pytest.mark.parametrize(
    ("file", "uri"), [("", "pyproject.toml"), ("/etc/x y", "file:///etc/x%20y"), ("a:b.py", "a%3Ab.py")]
)
def test_places(file: str, uri: str) -> None:
    place = sarif([finding(file=file, line=0, column=5)])["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}


def test_of_too_many_the_worst_are_kept() -> None:
    found = [finding(severity="low", line=number + 1) for number in range(MOST_RESULTS + 5)] + [finding()]
    run = sarif(found)["runs"][0]
    assert len(run["results"]) == MOST_RESULTS
    assert run["results"][0]["level"] == "error"
    assert run["properties"] == {"left out": 6}


def test_more_tools_than_github_takes_share_a_run() -> None:
    runs = sarif([finding(tool=f"tool{number:02}") for number in range(30)])["runs"]
    assert len(runs) == MOST_RUNS
    assert runs[-1]["automationDetails"] == {"id": "shiptasks/others"}
    assert runs[-1]["tool"]["driver"]["rules"][0] == {"id": "tool19/E1"}
    assert sum(len(run["results"]) for run in runs) == 30


def test_a_tool_that_found_nothing_is_told_as_clean_and_one_that_failed_is_not(tmp_path: Path) -> None:
    tools = {"lint.ruff": "ruff", "lint.mypy": "mypy", "lint.eslint": "eslint"}
    bus = Bus(SarifFile(tmp_path / "run", tmp_path / "reports", tools=tools))
    with bus.step("lint ruff", stage="lint"):
        pass
    with bus.step("lint mypy", stage="lint") as step:
        step.output("it crashed")
        step.outcome = "failed"
    bus.emit(RunFinished(outcome="failed", seconds=1, exit_code=1))
    document = json.loads((tmp_path / "run" / NAME).read_text())
    jsonschema.validate(document, SCHEMA)
    assert [run["automationDetails"]["id"] for run in document["runs"]] == ["shiptasks/ruff"]
    assert document["runs"][0]["results"] == []
    assert (tmp_path / "reports" / NAME).read_text() == (tmp_path / "run" / NAME).read_text()
