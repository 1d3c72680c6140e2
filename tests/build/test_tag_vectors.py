"""The tags, labels and flavors that docker/metadata-action gives in its own tests, where that data lies beside us."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from shiptasks.build.event import Event, Repository, from_environment
from shiptasks.build.labels import labels
from shiptasks.build.source import Source
from shiptasks.build.tagrules import parse_flavor, parse_rule, parse_rules
from shiptasks.build.tags import Tagged, tags
from shiptasks.errors import UsageError

FILE = Path(__file__).parents[3] / "shared" / "data" / "image-tag-vectors.json"
DATA: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
CASES: list[dict[str, Any]] = DATA.get("cases", [])
PARSED: list[dict[str, Any]] = [row for row in DATA.get("parse", []) if row["suite"] in ("tag", "flavor")]
NOW = datetime(2020, 1, 10, 0, 30, tzinfo=timezone.utc)
DEFAULTS = ("type=schedule", "type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr")

PRERELEASE = "latest is never for a prerelease, and this git tag is one"
EXCEPTIONS = dict.fromkeys(
    ("tag02", "tag07", "tag08", "tag09", "latest02", "latest03", "latest06", "latest10"), PRERELEASE
)
"""The only cases that differ, each with the reason; they differ in `latest` alone."""

pytestmark = pytest.mark.skipif(not DATA, reason=f"{FILE.name} is not here; test_tags.py stands alone")


def event_of(case: dict[str, Any], folder: Path) -> Event:
    if not case["context"]["event_name"]:
        return Event("GitHub", time=NOW, committed=NOW)
    (folder / "event.json").write_text(json.dumps(case["context"]["payload"]))
    environ = {**case["env"], "GITHUB_ACTIONS": "true", "GITHUB_EVENT_PATH": str(folder / "event.json")}
    event = from_environment(environ, folder, source=Source(), now=NOW)
    return replace(event, default_branch=event.default_branch or "master")


def images_of(case: dict[str, Any]) -> list[str]:
    """The images that are enabled: in ours the configuration names them, and all are."""
    return [image.partition(",")[0] for image in case["inputs"]["images"] if "enable=false" not in image]


def given(case: dict[str, Any], folder: Path) -> Tagged:
    inputs = case["inputs"]
    return tags(event_of(case, folder), inputs["tags"] or DEFAULTS, inputs["flavor"], images_of(case))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_tags_are_those_of_the_action(case: dict[str, Any], tmp_path: Path) -> None:
    found, expected = given(case, tmp_path), case["expected"]
    version = expected["version"]
    wanted = expected["tags"]
    if case["name"] in EXCEPTIONS:
        assert found.latest is not version["latest"]
        wanted = [each for each in wanted if not each.endswith("latest")]
    else:
        assert found.latest is version["latest"]
    assert list(found.tags) == wanted
    assert (found.version or None) == version["main"]


def test_the_count_that_matches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = [case["name"] for case in CASES if list(given(case, tmp_path).tags) == case["expected"]["tags"]]
    with capsys.disabled():
        print(f"\ntags as docker/metadata-action gives them: {len(same)} of {len(CASES)}")
    assert {case["name"] for case in CASES} - set(same) == set(EXCEPTIONS)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_labels_are_those_of_the_action(case: dict[str, Any], tmp_path: Path) -> None:
    """But for empty ones, which ours leave out."""
    found = given(case, tmp_path)
    api = DATA["meta"]["repo_api"]
    repository = Repository(api["name"], api["description"], api["html_url"], api["license"]["spdx_id"])
    configured = dict(each.split("=", 1) for each in case["inputs"].get("labels", []))
    event = replace(event_of(case, tmp_path), repository=repository)
    made = labels(event, found.version, configured=configured)
    wanted = dict(each.split("=", 1) for each in case["expected"]["labels"])
    assert made == {name: value for name, value in wanted.items() if value}


@pytest.mark.parametrize("row", PARSED, ids=[str(row["input"]) for row in PARSED])
def test_rules_and_flavors_are_read_as_by_the_action(row: dict[str, Any]) -> None:
    lines = [row["input"]] if isinstance(row["input"], str) else row["input"]
    if row["invalid"]:
        with pytest.raises(UsageError):
            (parse_rules if row["suite"] == "tag" else parse_flavor)(lines)
    elif row["suite"] == "flavor":
        flavor, wanted = parse_flavor(lines), row["expected"]
        assert (flavor.latest, flavor.prefix, flavor.suffix) == (wanted["latest"], wanted["prefix"], wanted["suffix"])
        assert (flavor.prefix_latest, flavor.suffix_latest) == (wanted["prefixLatest"], wanted["suffixLatest"])
    else:
        expected = [row["expected"]] if isinstance(row["expected"], dict) else row["expected"]
        for rule, wanted in zip(parse_rules(lines), expected, strict=True):
            attributes = {**rule.attributes, "priority": str(rule.priority), "enable": rule.enable}
            attributes |= {"prefix": rule.prefix} if rule.prefix is not None else {}
            assert (rule.type, attributes) == (wanted["type"], wanted["attrs"])


def test_a_rule_keeps_how_it_was_written() -> None:
    assert parse_rule("type=sha").text == "type=sha"
