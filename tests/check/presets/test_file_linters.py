from __future__ import annotations

import json
from pathlib import Path

import pytest

from shiptasks.check.preset import Ended, Preset, Unreadable
from shiptasks.check.presets import hadolint, shellcheck, yamllint
from shiptasks.errors import Failed
from tests.check.presets.tools import asked, refusal, repository, rows, run

ALL = pytest.mark.parametrize(
    "preset", [hadolint.PRESET, shellcheck.PRESET, yamllint.PRESET], ids=lambda preset: preset.name
)
DOCKERFILE = "FROM debian\nRUN sudo ls\nWORKDIR tmp\n"
SCRIPT = "#!/bin/sh\necho $1\n"
YAML = "---\na:  1\na: 2\n"
FILES = {"hadolint": "Dockerfile", "shellcheck": "run.sh", "yamllint": "a.yml"}
BAD = {"hadolint": DOCKERFILE, "shellcheck": SCRIPT, "yamllint": YAML}
GOOD = {"hadolint": "FROM debian:12\n", "shellcheck": "#!/bin/sh\necho hello\n", "yamllint": "---\na: 1\n"}
FOUND = {
    "hadolint": [(1, 1, "DL3006", "medium"), (2, 1, "DL3004", "high"), (3, 1, "DL3000", "high")],
    "shellcheck": [(2, 6, "SC2086", "low")],
    "yamllint": [(2, 4, "colons", "high"), (3, 1, "key-duplicates", "high")],
}


@ALL
def test_findings_have_place_and_rule(preset: Preset, tmp_path: Path) -> None:
    name = FILES[preset.name]
    root = repository(tmp_path, {f"api/sub dir/{name}": BAD[preset.name], f"other/{name}": BAD[preset.name]})
    read = run(preset, root, cwd="api")
    assert rows(read) == [(f"api/sub dir/{name}", *found) for found in FOUND[preset.name]]
    assert not read.passed


@ALL
def test_a_good_repository_passes(preset: Preset, tmp_path: Path) -> None:
    root = repository(tmp_path, {FILES[preset.name]: GOOD[preset.name]})
    read = run(preset, root)
    assert (read.passed, read.findings, read.detail) == (True, (), "no findings")


@ALL
def test_a_lint_of_nothing_is_no_pass(preset: Preset, tmp_path: Path) -> None:
    what = {"hadolint": "Dockerfile", "shellcheck": "shell script", "yamllint": "YAML file"}[preset.name]
    root = repository(tmp_path, {f"node_modules/x/{FILES[preset.name]}": BAD[preset.name], "api/a.txt": ""})
    with pytest.raises(Failed) as error:
        preset.command(asked(root))
    assert (error.value.what, error.value.now, error.value.hint) == (
        f"there is no {what} under shop",
        "nothing was run",
        "set its paths, or take the stage out: a lint of nothing must not pass",
    )
    with pytest.raises(Failed) as error:
        preset.command(asked(root, paths=("api", "api/a.txt", "gone")))
    assert error.value.what == "there is no file or folder 'gone' in shop"
    with pytest.raises(Failed) as error:
        preset.command(asked(root, paths=("api", "./api")))
    assert error.value.what == f"there is no {what} under api, ./api"


@ALL
def test_files_with_names_of_all_kinds(preset: Preset, tmp_path: Path) -> None:
    end = {"hadolint": ".Dockerfile", "shellcheck": ".sh", "yamllint": ".yaml"}[preset.name]
    names = [f"-x{end}", f"@x{end}", f"quo'te\"{end}", f"new\nline{end}", f"a b{end}"]
    root = repository(tmp_path, dict.fromkeys((*names, f"other{end}"), BAD[preset.name]))
    read = run(preset, root, files=names)
    assert sorted({one.file for one in read.findings}) == sorted(names)
    assert all(preset.takes is not None and preset.takes(name) for name in names)


@ALL
def test_a_file_that_is_not_there_is_the_tools_failure(preset: Preset, tmp_path: Path) -> None:
    name = FILES[preset.name]
    root = repository(tmp_path, {name: BAD[preset.name]})
    code = {"hadolint": 1, "shellcheck": 2, "yamllint": 255}[preset.name]
    with pytest.raises(Unreadable, match=rf"^{preset.name} failed with exit code {code}: .*gone"):
        run(preset, root, files=[f"gone-{name}"])


@ALL
def test_a_broken_file_is_a_finding(preset: Preset, tmp_path: Path) -> None:
    broken, rule = {
        "hadolint": ("FROM\nRUNN x\n", "DL1000"),
        "shellcheck": ("#!/bin/sh\nif then\n", "SC1072"),
        "yamllint": ("---\na: [1, 2\n", "syntax"),
    }[preset.name]
    root = repository(tmp_path, {FILES[preset.name]: broken})
    read = run(preset, root)
    assert (rule, "high") in [(one.rule, one.severity) for one in read.findings]


@ALL
def test_ends_that_cannot_be_read(preset: Preset) -> None:
    name = preset.name
    assert refusal(preset, 1) == f"{name} failed with exit code 1, and it wrote nothing"
    assert refusal(preset, 0, "all is well") == f"the report of {name} cannot be read: all is well"
    assert refusal(preset, 4, "", "unrecognized option `--x'") == (
        f"{name} failed with exit code 4: unrecognized option `--x'"
    )


def test_all_dockerfiles_at_any_depth(tmp_path: Path) -> None:
    names = ["Dockerfile", "Dockerfile.dev", "a/b/api.Dockerfile", "a/web.dockerfile", "z/Containerfile"]
    others = ["Dockerfile.dev.dockerignore", "a/Dockerfiles", "a/.git/Dockerfile", "a/.venv/Dockerfile"]
    root = repository(tmp_path, dict.fromkeys((*names, *others), DOCKERFILE))
    (root / "loop").symlink_to(root)
    (root / "gone.Dockerfile").symlink_to(root / "nowhere")
    command = hadolint.PRESET.command(asked(root))
    assert (command[:4], sorted(command[4:])) == (("hadolint", "--format", "json", "--"), sorted(names))


def test_configured_paths_are_folders_or_files_of_any_name(tmp_path: Path) -> None:
    root = repository(tmp_path, {"a/Dockerfile": "", "b/Dockerfile": "", "build/image": ""})
    assert hadolint.PRESET.command(asked(root, paths=("./b", "build/image", "b")))[4:] == (
        "b/Dockerfile",
        "build/image",
    )


def test_programs_that_a_shell_runs_are_scripts(tmp_path: Path) -> None:
    shebangs = {
        "sh": "#!/bin/sh",
        "bash": "#! /usr/bin/env bash",
        "dash": "#!/usr/bin/env -S dash -e",
        "ksh": "#!/usr/local/bin/ksh -u",
        "python": "#!/usr/bin/env python3",
        "fish": "#!/usr/bin/fish",
        "text": "echo",
    }
    root = repository(tmp_path, {f"bin/{name}": f"{line}\necho $1\n" for name, line in shebangs.items()})
    for path in (root / "bin").iterdir():
        path.chmod(0o755)
    repository(tmp_path, {"bin/not-executable": "#!/bin/sh\n", "lib/a.bash": "", "lib/b.zsh": "#!/bin/zsh\n"})
    assert shellcheck.PRESET.command(asked(root))[3:] == ("bin/bash", "bin/dash", "bin/ksh", "bin/sh", "lib/a.bash")


def test_levels_of_hadolint_and_shellcheck() -> None:
    place = {"code": "X1", "column": 1, "file": "Dockerfile", "line": 1, "message": ""}
    stdout = json.dumps([{**place, "level": level} for level in ("error", "warning", "info", "style", "unheard")])
    read = hadolint.PRESET.read(asked(), Ended(1, stdout, ""))
    assert [one.severity for one in read.findings] == ["high", "medium", "low", "low", "high"]


def test_what_the_configuration_lets_pass_is_told_and_passes(tmp_path: Path) -> None:
    root = repository(
        tmp_path, {"Dockerfile": DOCKERFILE, ".hadolint.yaml": "failure-threshold: none\nno-fail: true\n"}
    )
    read = run(hadolint.PRESET, root)
    assert (read.passed, read.detail) == (True, "3 findings")


def test_warnings_of_yamllint_pass_unless_it_is_strict(tmp_path: Path) -> None:
    root = repository(tmp_path, {"a.yml": "a: 1\n"})
    read = run(yamllint.PRESET, root)
    assert (read.passed, rows(read)) == (True, [("a.yml", 1, 1, "document-start", "medium")])
    assert not run(yamllint.PRESET, root, args=["--strict"]).passed


def test_a_broken_configuration_is_yamllints_own_failure(tmp_path: Path) -> None:
    root = repository(tmp_path, {"a.yml": "a: 1\n", ".yamllint": "rules: {nope: enable}\n"})
    with pytest.raises(Unreadable, match=r"^yamllint failed with exit code 255: invalid config: no such rule"):
        run(yamllint.PRESET, root)
