"""The size of bundles: what is counted, what is too much, what changed."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.check.bundle import BundleReport, measure, plain_name
from shiptasks.check.sections import Bundle
from shiptasks.config.load import load
from shiptasks.config.model import Project
from shiptasks.errors import Failed


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "pyproject.toml").write_text('[tool.shiptasks]\nproject = "shop"\n')
    return load(tmp_path, environ={})


def put(project: Project, path: str, content: bytes = b"x" * 1000) -> None:
    (project.root / path).parent.mkdir(parents=True, exist_ok=True)
    (project.root / path).write_bytes(content)


def bundle(**values: object) -> Bundle:
    return Bundle.model_validate({"folder": "dist", "limit": "10KB", "compress": "none", **values})


def sizes(report: BundleReport) -> dict[str, int]:
    return {file.path: file.size for file in report.files}


def test_files_that_browsers_load_count(project: Project) -> None:
    for name in ("app.js", "assets/style.css", "assets/deep/a.mjs", "app.js.map", "index.html"):
        put(project, f"dist/{name}")
    assert set(sizes(measure(project, "web", bundle()))) == {"app.js", "assets/style.css", "assets/deep/a.mjs"}
    assert set(sizes(measure(project, "web", bundle(files=["*.js"])))) == {"app.js"}
    both = measure(project, "web", bundle(files=["*.js", "**/app.*"]))  # a file that two patterns name counts once
    assert sizes(both) == {"app.js": 1000, "app.js.map": 1000}
    assert set(sizes(measure(project, "web", bundle(files=["assets", "!**/deep/**"])))) == {"assets/style.css"}


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("a\\b", "the input 'a\\\\b' is not a pattern: it has a backslash; folders are divided by `/`"),
        ("!a", "no pattern says which files are inputs, only which are not"),
    ],
)
def test_a_pattern_that_is_none(project: Project, pattern: str, said: str) -> None:
    put(project, "dist/app.js")
    with pytest.raises(Failed) as raised:
        measure(project, "web", bundle(files=[pattern]))
    assert raised.value.what == f"the patterns of the bundle web cannot be used: {said}"


@pytest.mark.parametrize(
    "wrong", [{"files": []}, {"files": ["../a.js"]}, {"folder": "/srv"}, {"limit": 5}, {"compress": "brotli"}]
)
def test_a_table_that_is_wrong(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        bundle(**wrong)


def test_a_circle_of_links_is_not_followed(project: Project) -> None:
    put(project, "dist/app.js")
    (project.root / "dist" / "again").symlink_to(project.root / "dist")
    assert set(sizes(measure(project, "web", bundle()))) == {"app.js"}


def test_compressed_as_gzip_does_it(project: Project) -> None:
    content = os.urandom(3000) + b"function " * 5000
    put(project, "dist/app.js", content)
    report = measure(project, "web", bundle(compress="gzip"))
    assert report.size == len(gzip.compress(content, 9, mtime=0)) < report.raw == len(content)
    assert sizes(report) == sizes(measure(project, "web", bundle(compress="gzip")))


def test_within_its_limit(project: Project) -> None:
    put(project, "dist/app.js", b"x" * 10_000)
    report = measure(project, "web", bundle())
    assert (report.fits, report.over, report.summary) == (True, 0, "10.0 KB of 10.0 KB")
    assert report.lines() == ("   10.0 KB              app.js (10.0 KB raw)",)


def test_over_its_limits(project: Project) -> None:
    put(project, "dist/app.js", b"x" * 10_001)
    put(project, "dist/b.js", b"x" * 500)
    report = measure(project, "web", bundle(**{"limit-each": "9KB"}))
    assert (report.fits, report.over) == (False, 501)
    assert report.summary == "10.5 KB of 10.0 KB: 501 B over its limit; app.js is 10.0 KB, and one file may be 9.0 KB"
    assert [file.path for file in report.too_large] == ["app.js"]
    assert report.data()["over"] == 501


def test_against_the_last_run(project: Project) -> None:
    put(project, "dist/assets/index-3f9a1c.js", b"x" * 2000)
    put(project, "dist/old.css")
    first = measure(project, "web", bundle())
    assert first.delta is None
    (project.root / "dist/assets/index-3f9a1c.js").unlink()
    (project.root / "dist/old.css").unlink()
    put(project, "dist/assets/index-77aa01.js", b"x" * 2500)
    put(project, "dist/new.js", b"x" * 100)
    report = measure(project, "web", bundle())
    assert (report.delta, report.summary) == (-400, "2.6 KB of 10.0 KB, -400 B")
    assert report.lines() == (
        "    2.5 KB      +500 B  assets/index-77aa01.js (2.5 KB raw)",
        "     100 B         new  new.js (100 B raw)",
    )
    assert measure(project, "web", bundle()).delta == 0
    assert measure(project, "other", bundle()).delta is None
    assert measure(project, "web", bundle(compress="gzip")).delta is None


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"compress": "none", "sizes": {"a": "b"}}', "\0", "[" * 100_000])
def test_a_broken_memory_is_none(project: Project, kept: str) -> None:
    put(project, "dist/app.js")
    put(project, ".shiptasks/bundles/web.json", kept.encode())
    assert measure(project, "web", bundle()).delta is None
    assert measure(project, "web", bundle()).delta == 0


def test_no_folder(project: Project) -> None:
    with pytest.raises(Failed) as raised:
        measure(project, "web", bundle())
    assert raised.value.what == "the folder of the bundle web does not exist: dist"
    assert raised.value.hint == "set `command` in [tool.shiptasks.bundles.web] to what builds it"


def test_no_file(project: Project) -> None:
    put(project, "dist/index.html")
    (project.root / "dist" / "folder.js").mkdir()
    with pytest.raises(Failed) as raised:
        measure(project, "web", bundle(files=["*.js", "*.css"]))
    assert raised.value.what == "the bundle web has no files: nothing in dist fits *.js, *.css"
    assert not (project.root / ".shiptasks" / "bundles").exists()


def test_a_link_out_of_the_repository(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "big.js"
    outside.write_bytes(b"x")
    put(project, "dist/app.js")
    (project.root / "dist" / "big.js").symlink_to(outside)
    with pytest.raises(Failed, match=r"^a file of the bundle lies outside of the repository: .*big\.js$"):
        measure(project, "web", bundle())


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("assets/index-3f9a1c.js", "assets/index.js"),
        ("main.3f9a1c2b.chunk.js", "main.chunk.js"),
        ("index-DiwrgTda.js", "index.js"),
        ("index-B-x_12Ab.css", "index.css"),
        ("chunk-ABCD1234.js", "chunk.js"),
        ("vendor_0123456789abcdef0123.js", "vendor.js"),
        ("app.js", "app.js"),
        ("polyfill-classlist.js", "polyfill-classlist.js"),
        ("jquery-3.7.1.min.js", "jquery-3.7.1.min.js"),
        (".3f9a1c.js", ".3f9a1c.js"),
        ("a-facade.js", "a-facade.js"),
        ("3f9a1c/app.js", "3f9a1c/app.js"),
    ],
)
def test_hashes_are_left_out_of_names(path: str, plain: str) -> None:
    assert plain_name(path) == plain


@given(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.from_regex(r"[0-9a-f]{5}[0-9]", fullmatch=True))
def test_any_hash_gives_one_name(name: str, digest: str) -> None:
    assert plain_name(f"js/{name}-{digest}.js") == f"js/{name}.js"
