from __future__ import annotations

import io
from pathlib import Path

from shiptasks.run.events import Bus, Failure, RunFinished, StepFinding
from shiptasks.run.files import prefix_of
from shiptasks.run.folds import GitHubFolds, GitLabFolds
from shiptasks.run.plain import Plain


def finding(file: str = "a.py", line: int = 1, *, blocking: bool = True) -> StepFinding:
    return StepFinding(
        step="001", tool="ruff", file=file, line=line, column=3, rule="E1", message="100% wrong\nreally",
        severity="high", blocking=blocking,
    )  # fmt: skip


def test_findings_are_marked_at_their_place_in_the_repository() -> None:
    folds = GitHubFolds("apps/shop/")
    assert folds.findings([finding("a,b:c.py", 7)]) == [
        "::error file=apps/shop/a%2Cb%3Ac.py,line=7,col=3,title=ruff E1::100%25 wrong%0Areally"
    ]
    assert folds.findings([finding("", 0)]) == ["::error col=3,title=ruff E1::100%25 wrong%0Areally"]
    assert folds.findings([finding(blocking=False)])[0].startswith("::warning file=apps/shop/a.py,line=1,")
    assert GitLabFolds().findings([finding()]) == []


def test_no_more_than_github_shows_and_room_for_the_failure() -> None:
    found = [finding(line=number) for number in range(1, 31)] + [finding(blocking=False)] * 12
    marked = GitHubFolds().findings(found)
    assert sum(line.startswith("::error") for line in marked) == 9
    assert sum(line.startswith("::warning") for line in marked) == 10
    assert marked[9] == "21 more are not marked in the files: GitHub shows 10 errors"
    assert marked[20] == "2 more are not marked in the files: GitHub shows 10 warnings"


def test_findings_are_marked_once_whether_the_run_fails_or_not() -> None:
    for failure in (True, False):
        stream = io.StringIO()
        bus = Bus(Plain(stream, folds=GitHubFolds()))
        with bus.step("lint ruff", stage="lint", alone="inv check --only=lint.ruff"):
            bus.emit(finding(blocking=failure))
        if failure:
            bus.emit(Failure(what="1 check failed"))
        bus.emit(RunFinished(outcome="ok", seconds=1, exit_code=0))
        assert sum(line.startswith(("::error file", "::warning file")) for line in stream.getvalue().splitlines()) == 1


def test_most_of_a_long_output_is_folded_and_nothing_is_told_twice() -> None:
    for folds in (GitHubFolds(), GitLabFolds()):
        stream = io.StringIO()
        bus = Bus(Plain(stream, folds=folds))
        with bus.step("test it: all!", stage="test", alone="inv check --only=test.it") as step:
            step.lines([f"line {number} end" for number in range(100)])
            step.outcome = "failed"
        bus.emit(RunFinished(outcome="failed", seconds=1, exit_code=1))
        told = stream.getvalue()
        assert [told.count(f"line {number} end") for number in range(100)] == [1] * 100
        fold_end = told.index("::endgroup::" if isinstance(folds, GitHubFolds) else "section_end")
        assert told.index("line 69 end") < fold_end < told.index("line 70 end")
    assert "section_start" in told
    assert ":end_test_it_all_[collapsed=true]" in told


def test_where_a_folder_is_in_its_repository(tmp_path: Path) -> None:
    root = tmp_path / "repo" / "apps" / "shop"
    root.mkdir(parents=True)
    assert prefix_of(root, {"GITHUB_WORKSPACE": str(tmp_path / "repo")}) == "apps/shop/"
    assert prefix_of(root, {"GITHUB_WORKSPACE": str(root)}) == ""
    (tmp_path / "repo" / ".git").write_text("gitdir: elsewhere")
    assert prefix_of(root, {}) == "apps/shop/"
    assert prefix_of(root, {"GITHUB_WORKSPACE": str(tmp_path / "other")}) == "apps/shop/"
    assert prefix_of(tmp_path / "repo", {}) == ""
