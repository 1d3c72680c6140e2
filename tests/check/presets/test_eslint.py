from __future__ import annotations

from pathlib import Path

import pytest

from shiptasks.check.preset import Ended, Unreadable
from shiptasks.check.presets import eslint
from tests.check.presets.tools import asked, refusal, repository, rows, run

RULES = 'module.exports = [{files: ["**/*.js"], rules: {"no-undef": "error", eqeqeq: "warn", "no-var": "error"}}];\n'
CONFIG = RULES.replace("module.exports =", "export default").replace("}}]", '}}, {ignores: ["gen/*"]}]')
BAD = "const a = 1;\nmissing(a == 1);\n"
GOOD = "export const a = 1;\n"


@pytest.fixture
def shop(tmp_path: Path, node_modules: Path) -> Path:
    root = repository(tmp_path, {"web/src/good.js": GOOD, "web/eslint.config.mjs": CONFIG})
    (root / "node_modules").symlink_to(node_modules)
    return root


def test_findings_have_place_and_rule(shop: Path) -> None:
    (shop / "web/src/a b.js").write_text(BAD)
    (shop / "web/src/broken.js").write_text("const b = ;\n")
    read = run(eslint.PRESET, shop, cwd="web")
    assert rows(read) == [
        ("web/src/a b.js", 2, 1, "no-undef", "high"),
        ("web/src/a b.js", 2, 11, "eqeqeq", "medium"),
        ("web/src/broken.js", 1, 11, "parse-error", "high"),
    ]
    assert (read.passed, read.detail) == (False, "3 findings")


def test_a_good_repository_passes_and_warnings_do_not_fail(shop: Path) -> None:
    read = run(eslint.PRESET, shop, cwd="web")
    assert (read.passed, read.findings, read.detail) == (True, (), "no findings")
    (shop / "web/src/warn.js").write_text("export const b = 1 == 2;\n")
    read = run(eslint.PRESET, shop, cwd="web")
    assert (read.passed, rows(read)) == (True, [("web/src/warn.js", 1, 20, "eqeqeq", "medium")])
    assert not run(eslint.PRESET, shop, cwd="web", args=["--max-warnings=0"]).passed


def test_fix_mends_and_tells_what_is_left(shop: Path) -> None:
    (shop / "web/src/a.js").write_text("var a = 1;\nmissing(a);\n")
    read = run(eslint.PRESET, shop, cwd="web", fix=True)
    assert rows(read) == [("web/src/a.js", 2, 1, "no-undef", "high")]
    assert (shop / "web/src/a.js").read_text() == "let a = 1;\nmissing(a);\n"


def test_changed_files_alone_and_without_those_that_are_left_out(shop: Path) -> None:
    names = ["-x.js", "@x.js", "quo'te.js", "a b.js", "[id].js"]
    for name in (*names, "other.js", "page.vue", "gen/a.js"):
        (shop / "web" / name).parent.mkdir(exist_ok=True)
        (shop / "web" / name).write_text("missing();\n")
    read = run(eslint.PRESET, shop, cwd="web", files=[*names, "page.vue", "gen/a.js"])
    assert sorted(one.file for one in read.findings) == sorted(f"web/{name}" for name in names)


def test_eslint_that_fails_itself(shop: Path) -> None:
    with pytest.raises(
        Unreadable, match=r"^eslint failed with exit code 2: No files matching the pattern \"gone.js\" were found."
    ):
        run(eslint.PRESET, shop, cwd="web", paths=["gone.js"])
    (shop / "web/eslint.config.mjs").write_text("export default [\n")
    with pytest.raises(Unreadable, match=r"^eslint failed with exit code 2: SyntaxError: Unexpected"):
        run(eslint.PRESET, shop, cwd="web")


def test_the_nearest_eslint_is_taken_up_to_the_root(tmp_path: Path) -> None:
    above, root, web = ("node_modules/.bin/eslint", "shop/node_modules/.bin/eslint", "shop/web/src/a.js")
    for name in (above, root, web):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text("")
    shop = tmp_path / "shop"
    request = asked(shop)
    assert eslint.PRESET.command(request) == (str(tmp_path / root), "--format", "json", "--", ".")
    (tmp_path / root).unlink()
    assert eslint.PRESET.command(request)[0] == "eslint"


def test_ends_that_cannot_be_read() -> None:
    assert refusal(eslint.PRESET, 0, "done") == "the report of eslint cannot be read: done"
    assert refusal(eslint.PRESET, 1, "[]") == "eslint failed with exit code 1"
    assert refusal(eslint.PRESET, 0, '[{"filePath": "a.js"}]') == (
        "eslint wrote a report of an unknown form: messages is no list"
    )
    assert refusal(eslint.PRESET, 1, '[{"messages": [{"message": "x", "severity": true}]}]') == (
        "eslint wrote a report of an unknown form: severity is no whole number"
    )


def test_a_file_that_is_named_in_the_configuration_and_left_out_is_told() -> None:
    stdout = '[{"filePath": "/shop/a.vue", "messages": [{"ruleId": null, "severity": 1, "message": "File ignored x"}]}]'
    read = eslint.PRESET.read(asked(), Ended(0, stdout, ""))
    assert (read.passed, rows(read)) == (True, [("a.vue", 0, 0, "eslint", "medium")])
    assert eslint.PRESET.read(asked(files=("a.vue",)), Ended(0, stdout, "")).findings == ()
