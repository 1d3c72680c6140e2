"""Makes an event of what there is: the variables and files of GitHub Actions and GitLab CI, git, or a file."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from shiptasks.build.event import Event, Repository
from shiptasks.build.source import Source, web_address
from shiptasks.build.versions import semver
from shiptasks.config.suggest import nearest
from shiptasks.errors import UsageError

_NOTHING = "nothing was run"
_REMOTE_SECONDS = 20
_KEYS: Mapping[str, type] = {
    "event": str, "ref": str, "branch": str, "tag": str, "number": int, "sha": str, "default_branch": str,
    "base_ref": str, "time": str, "committed": str, "url": str, "tags": list,
}  # fmt: skip
_KINDS: Mapping[type, str] = {str: "a text", int: "a number", list: "a list"}


@dataclass(frozen=True)
class Tree:
    """The working tree, and the time that it is. Asks git for more only where an event needs it."""

    root: Path
    source: Source
    now: datetime

    def committed(self, sha: str, stated: str = "") -> datetime:
        """When a commit was made: as git says, else as CI states it, else now."""
        if sha and sha == self.source.revision and self.source.committed:
            return _time(self.source.committed) or self.now
        return _time(stated) or self.now

    def branch(self) -> str:
        return self._git("symbolic-ref", "--quiet", "--short", "HEAD")

    def default_branch(self) -> str:
        """The default branch of the origin as of the last clone; else the one that is called as such branches are."""
        known = self._git("symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD").partition("/")[2]
        if known:
            return known
        branches = self._git("for-each-ref", "--format=%(refname:short)", "refs/heads/main", "refs/heads/master")
        return (branches.split() or [""])[0]

    def known_tags(self, *, needed: bool) -> tuple[str, ...] | None:
        """The tags of the repository. Of a shallow clone, which lacks them, those of its origin; None unless `needed`,
        and when the origin does not answer."""
        if self._git("rev-parse", "--is-shallow-repository") != "true":
            return tuple(self._git("tag", "--list").splitlines())
        if not needed:
            return None
        answer = self._git("ls-remote", "--tags", "--refs", "origin", seconds=_REMOTE_SECONDS)
        found = tuple(line.partition("refs/tags/")[2] for line in answer.splitlines())
        return found or None

    def _git(self, *arguments: str, seconds: float | None = None) -> str:
        """What a git command wrote; empty when it failed, took too long, or there is no git."""
        try:
            done = subprocess.run(
                ["git", "-C", str(self.root), *arguments],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
                check=False,
                text=True,
                errors="replace",
                timeout=seconds,
                # Away from the terminal: ssh would ask there for a passphrase.
                start_new_session=True,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""


def from_github(environ: Mapping[str, str], tree: Tree) -> Event:
    """The event of a job of GitHub Actions."""
    name, ref, sha = (_needed(environ, key, "GitHub Actions") for key in ("EVENT_NAME", "REF", "SHA"))
    path = environ.get("GITHUB_EVENT_PATH", "")
    payload = _read(Path(path), "the event file of GitHub") if path else {}
    url = "/".join(filter(None, (environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_REPOSITORY", ""))))
    head = environ.get("DOCKER_METADATA_PR_HEAD_SHA") == "true"
    return _of_payload(name, ref, sha, payload, tree, "GitHub", url if "://" in url else "", head)


def from_gitlab(environ: Mapping[str, str], tree: Tree) -> Event:
    """The event of a job of GitLab CI."""
    name, sha = environ.get("CI_PIPELINE_SOURCE", ""), _needed(environ, "CI_COMMIT_SHA", "GitLab CI")
    number, tag = environ.get("CI_MERGE_REQUEST_IID", ""), environ.get("CI_COMMIT_TAG", "")
    branch = environ.get("CI_COMMIT_BRANCH", "")
    if not (number or tag or branch):
        branch = _needed(environ, "CI_COMMIT_REF_NAME", "GitLab CI")
    ref = f"refs/pull/{number}/merge" if number else f"refs/tags/{tag}" if tag else f"refs/heads/{branch}"
    return Event(
        origin="GitLab",
        name=name,
        ref=ref,
        sha=sha,
        default_branch=environ.get("CI_DEFAULT_BRANCH", ""),
        base_ref=environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "") if number else "",
        time=tree.now,
        committed=tree.committed(sha, environ.get("CI_COMMIT_TIMESTAMP", "")),
        repository=Repository(
            name=environ.get("CI_PROJECT_TITLE", "") or environ.get("CI_PROJECT_NAME", ""),
            description=environ.get("CI_PROJECT_DESCRIPTION", ""),
            url=web_address(environ.get("CI_PROJECT_URL", "")),
        ),
        version=tree.source.version(),
        known_tags=tree.known_tags(needed=bool(tag)),
    )


def from_git(tree: Tree) -> Event:
    """The working tree as an event: a tag of a tree that is just that commit, else the branch."""
    source = tree.source
    tag = "" if source.dirty else _highest(source.tags)
    branch = tree.branch() if source.revision and not tag else ""
    return Event(
        origin="git",
        name="local",
        ref=f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if branch else "",
        sha=source.revision,
        default_branch=tree.default_branch() if source.revision else "",
        time=tree.now,
        committed=tree.committed(source.revision),
        repository=Repository(name=source.url.rpartition("/")[2], url=source.url),
        dirty=source.dirty,
        version=source.version(),
        known_tags=tree.known_tags(needed=bool(tag)) if source.revision else (),
    )


def from_file(path: Path, tree: Tree) -> Event:
    """The event that a JSON file describes: with the keys of docs/build.md, or as GitHub writes it."""
    data = _read(path, "the event file")
    if isinstance(data.get("repository"), dict) or "pull_request" in data:
        ref, sha, name = _of(data, "ref"), _of(data, "after"), "push"
        number = _of(data, "pull_request", "number") or _of(data, "number")
        if "pull_request" in data:
            ref, name = f"refs/pull/{number}/merge" if number else "", "pull_request"
            sha = _of(data, "pull_request", "head", "sha")
        elif release := _of(data, "release", "tag_name"):
            ref, name = f"refs/tags/{release}", "release"
        if not ref:
            raise _wrong(path, "it names no ref", "give one with the keys of docs/build.md")
        return _of_payload(name, ref, sha, data, tree, "file", "", head=False)
    for key, value in data.items():
        if key not in _KEYS:
            near = nearest(key, _KEYS)
            raise _wrong(path, f'it has an unknown key "{key}"', f'write "{near}"' if near else ", ".join(_KEYS))
        if not isinstance(value, _KEYS[key]) or isinstance(value, bool):
            raise _wrong(path, f'"{key}" has a value of the wrong kind', f"{_KINDS[_KEYS[key]]} is expected")
    refs = {
        "ref": data.get("ref", ""),
        "branch": f"refs/heads/{data.get('branch', '')}",
        "tag": f"refs/tags/{data.get('tag', '')}",
        "number": f"refs/pull/{data.get('number')}/merge",
    }
    given = [ref for key, ref in refs.items() if data.get(key)]
    if len(given) != 1 or not given[0].startswith("refs/"):
        raise _wrong(path, "it does not say what is built", 'one of "ref": "refs/…", "branch", "tag", "number"')
    now = _stated(path, data, "time") or tree.now
    tags = data.get("tags")
    return Event(
        origin="file",
        name=data.get("event", "pull_request" if "number" in data else "push"),
        ref=given[0],
        sha=data.get("sha", ""),
        default_branch=data.get("default_branch", ""),
        base_ref=data.get("base_ref", ""),
        time=now,
        committed=_stated(path, data, "committed") or now,
        repository=Repository(
            name=web_address(data.get("url", "")).rpartition("/")[2], url=web_address(data.get("url", ""))
        ),
        known_tags=tuple(map(str, tags)) if tags is not None else tree.known_tags(needed="refs/tags/" in given[0]),
    )


def _of_payload(
    name: str, ref: str, sha: str, payload: Mapping[str, Any], tree: Tree, origin: Any, url: str, head: bool
) -> Event:
    """The event of what GitHub writes about it. `head` asks for the commit of a pull request, not of its merge."""
    number = _of(payload, "pull_request", "number") or _of(payload, "number")
    if name == "pull_request_target" and number:
        # It runs on the base branch; what it is about is the pull request.
        ref = f"refs/pull/{number}/merge"
    if ref.startswith("refs/pull/") and head:
        sha = _of(payload, "pull_request", "head", "sha") or sha
    base = ""
    if ref.startswith("refs/tags/"):
        base = _of(payload, "base_ref").removeprefix("refs/heads/")
    elif ref.startswith("refs/pull/"):
        base = _of(payload, "pull_request", "base", "ref")
    # GitHub runs schedules on the default branch only.
    scheduled = ref.removeprefix("refs/heads/") if name == "schedule" else ""
    return Event(
        origin=origin,
        name=name,
        ref=ref,
        sha=sha,
        default_branch=_of(payload, "repository", "default_branch") or scheduled or tree.default_branch(),
        base_ref=base,
        time=tree.now,
        committed=tree.committed(sha, _of(payload, "head_commit", "timestamp")),
        repository=Repository(
            name=_of(payload, "repository", "name") or url.rpartition("/")[2],
            description=_of(payload, "repository", "description"),
            url=web_address(_of(payload, "repository", "html_url") or url),
            license=_of(payload, "repository", "license", "spdx_id"),
        ),
        version=tree.source.version(),
        known_tags=tree.known_tags(needed=ref.startswith("refs/tags/")),
    )


def _of(value: Any, *path: str) -> str:
    """The text or number at a path of what somebody else wrote; empty where it is something else."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _needed(environ: Mapping[str, str], key: str, whose: str) -> str:
    name = key if key.startswith("CI_") else f"GITHUB_{key}"
    value = environ.get(name, "")
    if not value:
        raise UsageError(
            f"{name} is not set, and {whose} always sets it",
            where="environment",
            now=_NOTHING,
            hint="pass the variables of the job on to where inv runs, or give --event-file",
        )
    return value


def _read(path: Path, called: str) -> dict[str, Any]:
    problem = "an object is expected"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(data, dict):
            return data
    except OSError as error:
        raise UsageError(f"{called} cannot be read: {error.strerror}", where=str(path), now=_NOTHING) from None
    except (ValueError, RecursionError) as error:
        problem = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "it is not text"
    raise UsageError(f"{called} is not JSON: {problem}", where=str(path), now=_NOTHING)


def _wrong(path: Path, problem: str, hint: str) -> UsageError:
    return UsageError(f"the event file does not fit: {problem}", where=str(path), now=_NOTHING, hint=hint)


def _time(text: str) -> datetime | None:
    """A time in ISO 8601 with a zone; None for anything else."""
    with suppress(ValueError):
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
    return None


def _stated(path: Path, data: Mapping[str, Any], key: str) -> datetime | None:
    found = _time(data.get(key, ""))
    if data.get(key) and found is None:
        raise _wrong(path, f'"{key}" is not a time', '"2026-01-31T12:00:00Z"')
    return found


def _highest(tags: tuple[str, ...]) -> str:
    """The tag that speaks for the commit: the highest version, as Source.version picks it; else the first."""
    found = [(parsed.key, parsed.final, tag) for tag in tags if (parsed := semver(tag))]
    return max(found)[2] if found else min(tags, default="")
