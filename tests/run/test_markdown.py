from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from shiptasks.run.events import Bus, RunFinished, StepFinding
from shiptasks.run.markdown import LIMIT, StepSummary, escaped, markdown, summary_of_step
from shiptasks.run.results import Results


def failed(lines: list[str], findings: int = 0) -> Results:
    results = Results(lines=30)
    bus = Bus(results)
    with bus.step("test unit", stage="test", alone="inv check --only=test.unit") as step:
        step.lines(lines)
        for number in range(findings):
            bus.emit(
                StepFinding(
                    step=step.step, tool="ruff", file="a|b.py", line=number, column=0, rule="E1", message="<b>|`",
                    severity="high",
                )
            )  # fmt: skip
        step.outcome = "failed"
    return results


@given(st.lists(st.text(max_size=40), min_size=1, max_size=30))
def test_output_cannot_break_out(lines: list[str]) -> None:
    evil = [*lines, "```", "`````` ", "</details>", "~~~"]
    told = markdown(failed(evil)).decode()
    fence = re.findall(r"^(`{3,})text$", told, re.M)
    assert len(fence) == 1
    inside = told.split(f"{fence[0]}text\n")[1].split(f"\n{fence[0]}\n")[0]
    assert "</details>" in inside
    assert fence[0] not in inside
    assert told.rstrip().endswith("</details>")


@given(st.text())
def test_escaped_text_is_one_line_without_signs_of_markdown(value: str) -> None:
    told = escaped(value)
    assert len(told.splitlines()) <= 1
    assert not re.search(r"[<>`*_\[\]\\|~$@]", told)
    assert not re.search(r"&(?!#\d+;)|(?<!&)#", told)


def test_findings_are_counted_beyond_fifty() -> None:
    told = markdown(failed(["x"], findings=60)).decode()
    assert told.count("| a&#124;b.py") == 50
    assert "| high | ruff E1 | &#60;b&#62;&#124;&#96; |" in told
    assert "\nand 10 more\n" in told


def test_it_is_never_longer_than_github_takes(tmp_path: Path) -> None:
    results = Results(lines=30)
    bus = Bus(results)
    for number in range(400):
        with bus.step(f"test {number}", stage="test") as step:
            step.lines(["ä" * 1_900] * 30)
            step.outcome = "failed"
    told = markdown(results)
    assert LIMIT - 200_000 < len(told) <= LIMIT
    assert told.decode().endswith("has at most 1 MiB. The log of the job has all.\n")
    assert markdown(results, 10) == b""

    path = tmp_path / "summary.md"
    path.write_bytes(b"x" * (LIMIT - 1_000))
    summary = StepSummary(path)
    with Bus(summary).step("test unit") as step:
        step.outcome = "failed"
    summary.handle(RunFinished(outcome="ok", seconds=1, exit_code=0))
    assert LIMIT - 1_000 < path.stat().st_size <= LIMIT


def test_a_run_without_steps_says_nothing(tmp_path: Path) -> None:
    StepSummary(tmp_path / "summary.md").handle(RunFinished(outcome="ok", seconds=1, exit_code=0))
    assert not (tmp_path / "summary.md").exists()


def test_only_in_github_actions() -> None:
    given = {"GITHUB_STEP_SUMMARY": "/x/summary.md"}
    assert summary_of_step(given) == ()
    assert summary_of_step({"GITHUB_ACTIONS": "true"}) == ()
    assert len(summary_of_step({**given, "GITHUB_ACTIONS": "true"})) == 1
