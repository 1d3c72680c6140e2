"""`inv check` in repositories of other shapes, from their configuration alone: tests/shapes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHAPES = Path(__file__).parents[1] / "shapes"
SERVICES = ("basket", "billing", "catalogue", "mail", "search", "users")


def checked(root: Path, *flags: str) -> tuple[int, dict[str, str], dict[str, object]]:
    """Exit code, outcome by stage, and the whole result."""
    done = subprocess.run(
        [sys.executable, "-m", "invoke", "check", "--format=json", *flags],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"},
    )
    document = json.loads(done.stdout)
    result = document["result"] or {"stages": []}
    return done.returncode, {one["id"]: one["outcome"] for one in result["stages"]}, document


@pytest.fixture
def monorepo(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHAPES / "monorepo", tmp_path / "market"))


def test_six_python_services(monorepo: Path) -> None:
    code, outcomes, document = checked(monorepo)
    assert code == 0, document
    assert set(outcomes) == {
        "lint.ruff",
        *(f"{stage}.{service}" for stage in ("lint.types", "test.unit") for service in SERVICES),
    }
    assert set(outcomes.values()) == {"ok"}
    coverage = document["result"]["coverage"]  # type: ignore[index]
    assert coverage["percent"] == 100
    assert set(coverage["services"]) == set(SERVICES)


def test_one_broken_service_is_named_with_file_and_line(monorepo: Path) -> None:
    core = monorepo / "services" / "mail" / "mail" / "core.py"
    core.write_text(core.read_text().replace("return total // parts", 'return "none"'))
    code, outcomes, _document = checked(monorepo, "--keep-going")
    assert code == 1
    assert {key for key, outcome in outcomes.items() if outcome == "failed"} == {"lint.types.mail", "test.unit.mail"}
    (run,) = (monorepo / ".shiptasks" / "runs").iterdir()
    found = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    places = {(each["file"], each["line"]) for each in found if each["event"] == "StepFinding"}
    assert ("services/mail/mail/core.py", 10) in places
    assert any(file == "services/mail/tests/test_mail.py" for file, _ in places)


def test_the_second_run_skips_what_has_not_changed(monorepo: Path) -> None:
    checked(monorepo, "--only=lint")
    users = monorepo / "services" / "users" / "users" / "core.py"
    users.write_text(users.read_text() + "\n# more\n")
    _, outcomes, _ = checked(monorepo, "--only=types")
    assert {key for key, outcome in outcomes.items() if outcome == "ok"} == {"lint.types.users"}
    assert {outcome for key, outcome in outcomes.items() if key != "lint.types.users"} == {"cached"}
    _, outcomes, _ = checked(monorepo, "--only=types", "--no-cache")
    assert set(outcomes.values()) == {"ok"}


@pytest.fixture(scope="module")
def frontend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("npm") is None:
        if os.environ.get("SHIPTASKS_LAB") == "required":
            pytest.fail("npm is missing")
        pytest.skip("npm is missing")
    root = Path(shutil.copytree(SHAPES / "frontend", tmp_path_factory.mktemp("shapes") / "garden"))
    install = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"]
    subprocess.run(install, cwd=root, check=True, timeout=240)
    return root


def test_a_front_end_without_any_python(frontend: Path) -> None:
    code, outcomes, document = checked(frontend)
    assert code == 0, document
    assert outcomes == {"lint.eslint": "ok", "test.unit": "ok", "bundles.site": "ok"}
    result = document["result"]
    assert result["coverage"]["percent"] == 100  # type: ignore[index]
    assert (frontend / ".shiptasks" / "reports" / "coverage" / "index.html").is_file()


def test_a_front_end_that_has_grown_too_large(frontend: Path) -> None:
    config = frontend / "pyproject.toml"
    before = config.read_text()
    config.write_text(before.replace('limit = "20KB"', 'limit = "200B"'))
    try:
        code, outcomes, document = checked(frontend, "--only=bundles")
    finally:
        config.write_text(before)
    assert (code, outcomes) == (1, {"bundles.site": "failed"})
    (stage,) = document["result"]["stages"]  # type: ignore[index]
    assert "of 200 B gzip" in stage["detail"]


def test_versions_of_python_through_uv(tmp_path: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (tmp_path / "pyproject.toml").write_text(
        f"""[tool.shiptasks]
project = "matrix"

[tool.shiptasks.test.unit]
command = "python -c 'import sys; print(sys.version)'"
python = ["{version}", "3.99"]
"""
    )
    (tmp_path / "tasks.py").write_text("import shiptasks\n\nns = shiptasks.namespace()\n")
    code, outcomes, document = checked(tmp_path, "--keep-going")
    assert (code, outcomes) == (1, {f"test.unit.py{version}": "ok", "test.unit.py3.99": "failed"})
    stages = document["result"]["stages"]  # type: ignore[index]
    assert stages[0]["detail"].startswith(f"{version}.")
