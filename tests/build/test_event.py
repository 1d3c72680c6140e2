"""The event: from GitHub's and GitLab's variables, from git, from a file; and what is said where it is not told."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shiptasks.build.event import Event, from_environment
from shiptasks.build.source import Source
from shiptasks.build.tags import tags
from shiptasks.errors import UsageError

SHA = "0123456789abcdef0123456789abcdef01234567"
HEAD = "fedcba9876543210fedcba9876543210fedcba98"
NOW = datetime(2026, 3, 4, tzinfo=timezone.utc)
REPOSITORY = {
    "name": "shop",
    "description": "A shop",
    "html_url": "https://github.com/acme/shop",
    "default_branch": "trunk",
    "license": {"spdx_id": "MIT"},
}


def github(folder: Path, name: str, ref: str, payload: Any = None, **more: str) -> Event:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": name, "GITHUB_REF": ref, "GITHUB_SHA": SHA, **more}
    if payload is not None:
        (folder / "event.json").write_text(json.dumps(payload))
        environ["GITHUB_EVENT_PATH"] = str(folder / "event.json")
    return from_environment(environ, folder, source=Source(), now=NOW)


def test_a_push_on_github(tmp_path: Path) -> None:
    head = {"timestamp": "2026-02-03T04:05:06+02:00"}
    event = github(tmp_path, "push", "refs/heads/trunk", {"repository": REPOSITORY, "head_commit": head})
    assert (event.kind, event.origin, event.branch, event.tag, event.number) == ("branch", "GitHub", "trunk", "", "")
    assert (event.sha, event.default_branch, event.on_default_branch) == (SHA, "trunk", True)
    assert event.committed == datetime(2026, 2, 3, 2, 5, 6, tzinfo=timezone.utc)
    assert event.time == NOW
    assert (event.repository.name, event.repository.license) == ("shop", "MIT")
    assert event.lines() == ("push to trunk at 0123456 (GitHub)",)


def test_a_tag_on_github(tmp_path: Path) -> None:
    payload = {"base_ref": "refs/heads/release/1", "repository": REPOSITORY}
    event = github(tmp_path, "push", "refs/tags/v1.4.2", payload)
    assert (event.kind, event.tag, event.base_ref, event.on_default_branch) == ("tag", "v1.4.2", "release/1", False)
    assert event.lines() == ("tag v1.4.2 at 0123456 (GitHub)",)


@pytest.mark.parametrize(("head", "sha"), [("", SHA), ("false", SHA), ("true", HEAD)])
@pytest.mark.parametrize(
    ("name", "ref"), [("pull_request", "refs/pull/12/merge"), ("pull_request_target", "refs/heads/trunk")]
)
def test_a_pull_request_on_github(tmp_path: Path, name: str, ref: str, head: str, sha: str) -> None:
    pull = {"number": 12, "base": {"ref": "release/1"}, "head": {"sha": HEAD, "ref": "mine"}}
    payload = {"number": 12, "pull_request": pull, "repository": REPOSITORY}
    event = github(tmp_path, name, ref, payload, DOCKER_METADATA_PR_HEAD_SHA=head)
    assert (event.kind, event.number, event.base_ref, event.sha) == ("pull request", "12", "release/1", sha)
    assert event.branch == ""


def test_a_pull_request_that_was_merged_is_its_base_branch_on_github(tmp_path: Path) -> None:
    payload = {"number": 12, "pull_request": {"number": 12}, "repository": REPOSITORY}
    assert github(tmp_path, "pull_request", "refs/heads/trunk", payload).branch == "trunk"


def test_schedules_run_on_the_default_branch(tmp_path: Path) -> None:
    event = github(tmp_path, "schedule", "refs/heads/trunk", {"schedule": "0 4 * * *"})
    assert (event.kind, event.default_branch) == ("schedule", "trunk")
    assert event.lines() == ("schedule trunk at 0123456 (GitHub)",)


def test_a_run_by_hand_on_github(tmp_path: Path) -> None:
    url = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/shop"}
    event = github(tmp_path, "workflow_dispatch", "refs/heads/x", **url)
    assert (event.kind, event.repository.url, event.repository.name) == (
        "manual",
        "https://github.com/acme/shop",
        "shop",
    )


@pytest.mark.parametrize("payload", [{}, {"repository": None}, {"repository": 1, "pull_request": []}, {"number": True}])
def test_a_payload_may_lack_everything(tmp_path: Path, payload: Any) -> None:
    event = github(tmp_path, "push", "refs/heads/x", payload)
    assert (event.branch, event.default_branch, event.committed) == ("x", "", NOW)


@pytest.mark.parametrize("missing", ["GITHUB_EVENT_NAME", "GITHUB_REF", "GITHUB_SHA"])
def test_github_that_leaves_something_out(tmp_path: Path, missing: str) -> None:
    with pytest.raises(UsageError) as caught:
        github(tmp_path, "push", "refs/heads/x", **{missing: ""})
    assert caught.value.what == f"{missing} is not set, and GitHub Actions always sets it"
    assert caught.value.now == "nothing was run"


GITLAB = {"GITLAB_CI": "true", "CI_PIPELINE_SOURCE": "push", "CI_COMMIT_SHA": SHA, "CI_DEFAULT_BRANCH": "main"}


@pytest.mark.parametrize(
    ("environ", "kind", "what"),
    [
        ({"CI_COMMIT_BRANCH": "main"}, "branch", "main"),
        ({"CI_COMMIT_TAG": "v1.0.0", "CI_COMMIT_REF_NAME": "v1.0.0"}, "tag", "v1.0.0"),
        ({"CI_MERGE_REQUEST_IID": "7", "CI_COMMIT_REF_NAME": "mine"}, "pull request", "7"),
        ({"CI_COMMIT_BRANCH": "main", "CI_PIPELINE_SOURCE": "schedule"}, "schedule", "main"),
        ({"CI_COMMIT_BRANCH": "main", "CI_PIPELINE_SOURCE": "web"}, "manual", "main"),
        ({"CI_COMMIT_REF_NAME": "main"}, "branch", "main"),
    ],
)
def test_gitlab(tmp_path: Path, environ: dict[str, str], kind: str, what: str) -> None:
    event = from_environment({**GITLAB, **environ}, tmp_path, source=Source(), now=NOW)
    assert (event.kind, event.branch or event.tag or event.number) == (kind, what)
    assert (event.origin, event.sha, event.default_branch) == ("GitLab", SHA, "main")


def test_what_gitlab_knows_besides(tmp_path: Path) -> None:
    more = {
        "CI_COMMIT_BRANCH": "x", "CI_COMMIT_TIMESTAMP": "2026-02-03T04:05:06Z", "CI_PROJECT_TITLE": "Shop",
        "CI_PROJECT_DESCRIPTION": "A shop", "CI_PROJECT_URL": "https://gitlab.example.com/acme/shop",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_MERGE_REQUEST_IID": "7",
    }  # fmt: skip
    event = from_environment({**GITLAB, **more}, tmp_path, source=Source(), now=NOW)
    assert event.base_ref == "main"
    assert event.committed == datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
    assert (event.repository.name, event.repository.description) == ("Shop", "A shop")
    assert event.repository.url == "https://gitlab.example.com/acme/shop"


@pytest.mark.parametrize("missing", ["CI_COMMIT_SHA", "CI_COMMIT_REF_NAME"])
def test_gitlab_that_leaves_something_out(tmp_path: Path, missing: str) -> None:
    environ = {**GITLAB, "CI_COMMIT_REF_NAME": "main", missing: ""}
    with pytest.raises(UsageError) as caught:
        from_environment(environ, tmp_path, source=Source(), now=NOW)
    assert caught.value.what == f"{missing} is not set, and GitLab CI always sets it"


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        [*command, "-C", str(folder), *arguments], check=True, capture_output=True, text=True, env=environ
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "file").write_text("1")
    git(folder, "add", "file")
    git(folder, "commit", "-q", "-m", "feat: first")
    return folder


def test_a_working_tree(repository: Path) -> None:
    event = from_environment({}, repository, now=NOW)
    sha = git(repository, "rev-parse", "HEAD")
    assert (event.kind, event.origin, event.branch, event.default_branch) == ("local", "git", "main", "main")
    assert (event.sha, event.dirty, event.version) == (sha, False, f"0.0.0-dev.g{sha[:7]}")
    assert event.committed < datetime.now(timezone.utc)
    assert event.lines() == (f"local main at {sha[:7]} (git)",)
    (repository / "file").write_text("2")
    assert from_environment({}, repository, now=NOW).lines() == (f"local main at {sha[:7]}-dirty (git)",)


def test_a_tag_speaks_for_a_tree_that_is_just_that(repository: Path) -> None:
    for tag in ("v1.9.0", "v1.10.0-rc.1", "v1.10.0", "other"):
        git(repository, "tag", tag)
    event = from_environment({}, repository, now=NOW)
    assert (event.kind, event.tag, event.version) == ("local", "v1.10.0", "1.10.0")
    assert set(event.known_tags or ()) == {"v1.9.0", "v1.10.0-rc.1", "v1.10.0", "other"}
    (repository / "file").write_text("2")
    assert from_environment({}, repository, now=NOW).branch == "main"


def test_a_detached_tree_and_none_at_all(repository: Path, tmp_path: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    event = from_environment({}, repository, now=NOW)
    assert (event.ref, event.default_branch) == ("", "main")
    (tmp_path / "bare").mkdir()
    event = from_environment({}, tmp_path / "bare", now=NOW)
    assert (event.kind, event.ref, event.sha, event.version) == ("local", "", "", "0.0.0-dev.uncommitted")
    assert event.committed == NOW


def shallow(repository: Path) -> Path:
    """A clone as CI makes it, of the tag v1.3.9, when v1.4.0 is there already."""
    git(repository, "tag", "v1.4.0")
    git(repository, "commit", "-q", "--allow-empty", "-m", "fix: old")
    git(repository, "tag", "v1.3.9")
    clone = repository.parent / "clone"
    git(repository.parent, "clone", "-q", "--depth=1", "--branch=v1.3.9", f"file://{repository}", str(clone))
    return clone


def test_a_shallow_clone_asks_its_origin_for_the_tags(repository: Path) -> None:
    clone = shallow(repository)
    environ = {**GITLAB, "CI_COMMIT_TAG": "v1.3.9"}
    event = from_environment(environ, clone, now=NOW)
    assert event.known_tags == ("v1.3.9", "v1.4.0")
    assert tags(event).notes == ("no latest: v1.4.0 is newer than v1.3.9",)
    branch = from_environment({**GITLAB, "CI_COMMIT_BRANCH": "main"}, clone, now=NOW)
    assert branch.known_tags is None


def test_a_shallow_clone_whose_origin_is_gone_does_not_know(repository: Path) -> None:
    clone = shallow(repository)
    repository.rename(repository.parent / "gone")
    event = from_environment({**GITLAB, "CI_COMMIT_TAG": "v1.3.9"}, clone, now=NOW)
    assert event.known_tags is None
    assert tags(event).names == ("1.3.9", "1.3", "1")


def written(folder: Path, text: str) -> Path:
    (folder / "e.json").write_text(text)
    return folder / "e.json"


@pytest.mark.parametrize(
    ("data", "kind", "what"),
    [
        ({"branch": "main"}, "branch", "main"),
        ({"tag": "v1.0.0"}, "tag", "v1.0.0"),
        ({"number": 12}, "pull request", "12"),
        ({"ref": "refs/heads/x"}, "branch", "x"),
        ({"branch": "x", "event": "schedule"}, "schedule", "x"),
        ({"repository": REPOSITORY, "ref": "refs/tags/v1", "after": SHA}, "tag", "v1"),
        ({"repository": REPOSITORY, "release": {"tag_name": "v2"}, "after": SHA}, "tag", "v2"),
        ({"repository": REPOSITORY, "number": 3, "pull_request": {"head": {"sha": SHA}}}, "pull request", "3"),
    ],
)
def test_an_event_file(tmp_path: Path, data: dict[str, Any], kind: str, what: str) -> None:
    environ = {"GITHUB_ACTIONS": "true"}  # not asked
    event = from_environment(environ, tmp_path, written(tmp_path, json.dumps(data)), source=Source(), now=NOW)
    assert (event.origin, event.kind, event.branch or event.tag or event.number) == ("file", kind, what)
    assert event.sha == (SHA if "repository" in data else "")


def test_all_that_an_event_file_may_say(tmp_path: Path) -> None:
    data = {
        "tag": "v1.4.2", "sha": SHA, "default_branch": "main", "base_ref": "release/1", "event": "release",
        "time": "2026-01-02T03:04:05Z", "committed": "2026-01-01T00:00:00+01:00",
        "url": "git@github.com:acme/shop.git", "tags": ["v2.0.0"],
    }  # fmt: skip
    event = from_environment({}, tmp_path, written(tmp_path, json.dumps(data)), source=Source(), now=NOW)
    assert event.time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    assert event.committed == datetime(2025, 12, 31, 23, tzinfo=timezone.utc)
    assert (event.base_ref, event.repository.url) == ("release/1", "https://github.com/acme/shop")
    assert tags(event).notes == ("no latest: v2.0.0 is newer than v1.4.2",)


WHICH = 'one of "ref": "refs/…", "branch", "tag", "number"'
OURS = "give one with the keys of docs/build.md"


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("", "is not JSON: line 1: Expecting value", ""),
        ("{\n,", "is not JSON: line 2: Expecting property name enclosed in double quotes", ""),
        ("[]", "is not JSON: an object is expected", ""),
        ("[" * 100_000, "is not JSON: it is not text", ""),
        ("{}", "does not fit: it does not say what is built", WHICH),
        ('{"ref": "main"}', "does not fit: it does not say what is built", WHICH),
        ('{"tag": "v1", "branch": "x"}', "does not fit: it does not say what is built", WHICH),
        ('{"brnch": "x"}', 'does not fit: it has an unknown key "brnch"', 'write "branch"'),
        ('{"number": "12"}', 'does not fit: "number" has a value of the wrong kind', "a number is expected"),
        ('{"number": true}', 'does not fit: "number" has a value of the wrong kind', "a number is expected"),
        ('{"tags": "v1"}', 'does not fit: "tags" has a value of the wrong kind', "a list is expected"),
        ('{"tag": "v1", "time": "noon"}', 'does not fit: "time" is not a time', '"2026-01-31T12:00:00Z"'),
        ('{"repository": {}}', "does not fit: it names no ref", OURS),
        ('{"pull_request": {}}', "does not fit: it names no ref", OURS),
    ],
    ids=lambda value: str(value)[:30],
)
def test_event_files_that_do_not_fit(tmp_path: Path, text: str, problem: str, hint: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        from_environment({}, tmp_path, path, source=Source(), now=NOW)
    assert (caught.value.what, caught.value.where) == (f"the event file {problem}", str(path))
    assert caught.value.hint == hint


def test_event_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, problem in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError) as caught:
            from_environment({}, tmp_path, path, source=Source(), now=NOW)
        assert caught.value.what == f"the event file cannot be read: {problem}"
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="the event file is not JSON: it is not text"):
        from_environment({}, tmp_path, tmp_path / "bytes", source=Source(), now=NOW)


def test_names_from_elsewhere_do_not_steer_the_terminal() -> None:
    event = Event("GitHub", "push", "refs/heads/a\x1b[31m\n\ud800b", SHA)
    assert event.lines() == ("push to a?[31m??b at 0123456 (GitHub)",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["ref", "branch", "tag", "number", "sha", "time", "committed", "url", "tags", "event", "repository"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.dictionaries(st.sampled_from([*KEYS, "pull_request", "x"]), JSON, max_size=4))
def test_any_json_is_an_event_or_a_usage_error(tmp_path: Path, data: dict[str, Any]) -> None:
    path = written(tmp_path, json.dumps(data))
    try:
        event = from_environment({}, tmp_path, path, source=Source(), now=NOW)
    except UsageError:
        return
    assert tags(event) == tags(event)
