"""The preset of Vitest, with the real Vitest from npm where there is Node."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from shiptasks.check import lcov
from shiptasks.check.preset import Ended, Reading, Request, Unreadable
from shiptasks.check.presets.vitest import VITEST
from shiptasks.run import process

needs_node = pytest.mark.skipif(
    shutil.which("npm") is None and os.environ.get("SHIPTASKS_LAB") != "required", reason="there is no npm here"
)
SOURCE = "export function add(a, b) {\n  if (a > 100) {\n    return 0\n  }\n  return a + b\n}\n"
GOOD = (
    "import { expect, it } from 'vitest'\nimport { add } from './cart.js'\n"
    "it('adds', () => expect(add(1, 2)).toBe(3))\n"
)
BAD = (
    "import { describe, expect, it } from 'vitest'\nimport { add } from './cart.js'\ndescribe('cart', () => {\n"
    "  it('is wrong', () => {\n    expect(add(1, 2)).toBe(4)\n  })\n  it.skip('later', () => {})\n})\n"
)


def read(request: Request) -> Reading:
    request.out.mkdir(exist_ok=True)
    result = process.run(VITEST.command(request), cwd=request.cwd, check=False, timeout=120)
    return VITEST.read(request, Ended(result.exit_code, result.stdout, result.stderr))


@needs_node
def test_the_real_vitest(tmp_path: Path) -> None:
    web = tmp_path / "web"
    (web / "src").mkdir(parents=True)
    (web / "package.json").write_text(json.dumps({"name": "web", "private": True, "type": "module"}))
    install = ("npm", "install", "--no-audit", "--no-fund", "vitest@3", "@vitest/coverage-v8@3")
    process.run(install, cwd=web, timeout=200)
    (web / "src" / "cart.js").write_text(SOURCE)
    request = Request(tmp_path, web, tmp_path / "out0")

    with pytest.raises(Unreadable, match=r"^vitest found no tests in its folder$"):
        read(request)

    (web / "src" / "good.test.js").write_text(GOOD)
    reading = read(replace(request, out=tmp_path / "out1"))
    assert (reading.passed, reading.detail, reading.findings) == (True, "1 passed", ())

    (web / "src" / "bad.test.js").write_text(BAD)
    measured = replace(request, out=tmp_path / "out2", coverage=True)
    reading = read(measured)
    assert (reading.passed, reading.detail) == (False, "1 passed, 1 failed, 1 skipped")
    assert [(one.file, one.line, one.rule, one.message) for one in reading.findings] == [
        (
            "web/src/bad.test.js",
            5,
            "web/src/bad.test.js > cart > is wrong",
            "expected 3 to be 4 // Object.is equality",
        )
    ]
    assert (measured.out / "lcov-report" / "index.html").is_file()
    assert lcov.read((measured.out / "lcov.info").read_text())["src/cart.js"].missed == (3, 4)
    assert not (web / "coverage").exists()

    parts = [read(replace(request, out=tmp_path / f"out3{part}", shard=(part, 2))) for part in (1, 2)]
    assert sorted(part.detail for part in parts) == ["1 failed, 1 skipped", "1 passed"]
    with pytest.raises(Unreadable, match=r"^part 3 of 3 has no tests: there are fewer test files than shards$"):
        read(replace(request, out=tmp_path / "out4", shard=(3, 3)))

    (web / "src" / "bad.test.js").write_text("import './nothing.js'\n")
    reading = read(replace(request, out=tmp_path / "out5"))
    assert [(one.file, one.rule) for one in reading.findings] == [("web/src/bad.test.js", "web/src/bad.test.js")]

    (web / "src" / "bad.test.js").write_text(f"{GOOD}\nsetTimeout(() => {{ throw new Error('late') }}, 0)\n")
    reading = read(replace(request, out=tmp_path / "out6"))
    assert not reading.passed
    assert reading.detail.startswith("2 passed, and vitest itself failed")

    shutil.rmtree(web / "node_modules" / "@vitest" / "coverage-v8")
    with pytest.raises(Unreadable, match=r"^@vitest/coverage-v8 is not installed, and coverage needs it: npm install"):
        read(replace(request, out=tmp_path / "out7", coverage=True))


def test_the_nearest_vitest_is_taken_and_none_from_outside(tmp_path: Path) -> None:
    root, web = tmp_path / "repo", tmp_path / "repo" / "web"
    web.mkdir(parents=True)

    def taken() -> str:
        return VITEST.command(Request(root, web, tmp_path / "out"))[0]

    def install(folder: Path) -> str:
        program = folder / "node_modules" / ".bin" / "vitest"
        program.parent.mkdir(parents=True)
        program.touch()
        return str(program)

    install(tmp_path)
    assert taken() == "vitest"
    in_root = install(root)
    assert taken() == in_root
    in_web = install(web)
    assert taken() == in_web


@pytest.mark.parametrize("report", ["", "<testsuites name='vitest tests'/>", "<html/>"])
def test_exit_code_0_without_a_report_is_no_pass(tmp_path: Path, report: str) -> None:
    (tmp_path / "junit.xml").write_text(report)
    with pytest.raises(Unreadable):
        VITEST.read(Request(tmp_path, tmp_path, tmp_path), Ended(0, "1 passed", ""))


def test_coverage_that_was_asked_for_and_is_not_there_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text('<testsuite><testcase name="a"/></testsuite>')
    with pytest.raises(Unreadable, match=r"^vitest measured no coverage, though it was asked to"):
        VITEST.read(Request(tmp_path, tmp_path, tmp_path, coverage=True), Ended(0, "1 passed", ""))
