from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"


def build(source: Path, target: Path, version: str = "1.2.3") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(WEB / "build.py"), str(source), str(target), "--version", version]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    target = tmp_path / "dist"
    result = build(WEB / "src", target)
    assert result.returncode == 0, result.stderr
    return target


def test_every_asset_of_the_page_exists_under_its_fingerprint(site: Path) -> None:
    page = (site / "index.html").read_text()
    references = re.findall(r'"(/assets/[^"]+)"', page)
    assert sorted(Path(name).suffix for name in references) == [".css", ".js", ".svg"]
    assert {site / name.lstrip("/") for name in references} == set((site / "assets").iterdir())
    assert all(re.fullmatch(r"/assets/\w+\.[0-9a-f]{10}\.\w+", name) for name in references)


def test_the_version_is_in_the_page_and_in_the_health_document(site: Path) -> None:
    page = (site / "index.html").read_text()
    assert "Version 1.2.3" in page
    assert "{{" not in page
    assert json.loads((site / "healthz.json").read_text()) == {"status": "ok", "version": "1.2.3"}


def test_a_version_cannot_inject_markup(tmp_path: Path) -> None:
    build(WEB / "src", tmp_path / "dist", version='1<script>"')
    assert "1&lt;script&gt;" in (tmp_path / "dist" / "index.html").read_text()
    assert json.loads((tmp_path / "dist" / "healthz.json").read_text())["version"] == '1<script>"'


def test_new_content_gets_a_new_name_and_the_old_one_goes(tmp_path: Path) -> None:
    source, target = tmp_path / "src", tmp_path / "dist"
    source.mkdir()
    (source / "index.html").write_text('<script src="app.js"></script>')
    names = set()
    for content in ("one", "two"):
        (source / "app.js").write_text(content)
        assert build(source, target).returncode == 0
        (asset,) = (target / "assets").iterdir()
        assert asset.read_text() == content
        names.add(asset.name)
    assert len(names) == 2


def test_an_asset_that_no_page_uses_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (source / "index.html").write_text("<p>nothing</p>")
    (source / "lost.js").write_text("")
    result = build(source, tmp_path / "dist")
    assert result.returncode == 1
    assert 'no page refers to "lost.js"' in result.stderr
