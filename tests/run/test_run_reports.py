from __future__ import annotations

import json
from pathlib import Path

from shiptasks.run.events import Bus
from shiptasks.run.reports import reports
from tests.run.recorded import begun, ended


def test_a_run_and_ci_have_the_same_reports(tmp_path: Path) -> None:
    root = tmp_path / "repo" / "apps" / "shop"
    folder, state_dir = root / ".shiptasks" / "runs" / "1", root / ".shiptasks"
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    folder.mkdir(parents=True)
    bus = Bus(*reports(folder, state_dir, root, {"lint.format": "ruff-format", "lint.ruff": "ruff"}))
    for event in (*begun(), *ended()):
        bus.emit(event)
    made = {path.relative_to(state_dir).as_posix() for path in state_dir.rglob("*") if path.is_file()}
    assert made == {"reports/findings.sarif", "reports/junit.xml", "runs/1/findings.sarif", "runs/1/junit.xml"}
    runs = json.loads((state_dir / "reports" / "findings.sarif").read_text())["runs"]
    assert {run["automationDetails"]["id"]: len(run["results"]) for run in runs} == {
        "shiptasks/mypy": 1,
        "shiptasks/ruff": 3,
        "shiptasks/ruff-format": 0,
        "shiptasks/yamllint": 1,
    }
    place = runs[0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "apps/shop/api/app.py"
    assert (state_dir / "reports" / "junit.xml").stat().st_mode & 0o777 == 0o644
