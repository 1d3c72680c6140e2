"""Which files differ from the default branch, as git knows it: what `--changed` limits the tools to.

Differ means: in commits since the two parted, in the index, in the working tree, or untracked and not ignored. In the
pipeline of a pull or merge request its target is taken in place of the default branch. On the default branch itself,
a person sees what is not pushed yet; a pipeline what its push has brought.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shiptasks.check import git
from shiptasks.errors import UsageError

_NO_COMMIT = re.compile(r"0*")
_OF_HERE = re.compile(r"HEAD(?![\w./-])")  # origin has a HEAD too, which is another
_UNSHALLOW = "git fetch --unshallow; on GitHub fetch-depth: 0 of actions/checkout, on GitLab the variable GIT_DEPTH: 0"
_SETTING = "base in [tool.shiptasks.check]"


@dataclass(frozen=True)
class Changed:
    """Files that differ from `commit`, sorted, relative to the root, with `/`. `base` is what a person calls it."""

    base: str
    commit: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class _Base:
    """What is compared with."""

    name: str
    commit: str
    is_exact: bool = False
    """The commit itself, not the one at which it and HEAD parted."""
    is_default: bool = False


def files(
    root: Path, base: str | None = None, *, default: str = "", environ: Mapping[str, str] = os.environ
) -> Changed:
    """The files under `root`, which may be a part of a larger repository, that differ from `base`.

    `base` is a branch, a tag or a commit that a person names for this run; `default` the branch of the configuration,
    which a pull or merge request comes before. Files that were deleted are left out, and submodules.

    Raises UsageError without git, without a commit, for a base that is not known, and where the clone is too shallow
    to tell.
    """
    git.require_commit(root)
    found = _base(root, base, default, environ)
    commit = found.commit if found.is_exact else _parted(root, found)
    if found.is_default and commit == git.commit_of(root, "HEAD") and environ.get("CI") not in (None, "", "false"):
        # A pipeline of the default branch itself: nothing differs from it, so what was pushed is what matters.
        found = _pushed(root, environ) or found
        commit = found.commit
    names = {
        *git.differing(root, commit),
        *git.differing(root, commit, in_index=True),
        *git.untracked(root),
    }
    there = sorted(name for name in names if not name.startswith(".shiptasks/") and _is_file(root, name))
    return Changed(found.name, commit, tuple(there))


def _is_file(root: Path, name: str) -> bool:
    return os.path.isfile(os.path.join(root, name))  # noqa: PTH113, PTH118 - pathlib raises where it may not look


def default_branch(root: Path, default: str = "", *, environ: Mapping[str, str] = os.environ) -> str:
    """The name of the default branch, without its remote; `default` is that of the configuration.

    Raises UsageError when it cannot be known.
    """
    return (default or _known_default(root, environ)).removeprefix("origin/")


def current_branch(root: Path, *, environ: Mapping[str, str] = os.environ) -> str:
    """The branch that is checked out; in a pipeline, which checks out a commit, the one that it runs for.

    Empty when there is none, or no git.
    """
    name = git.branch(root)
    if name:
        return name
    for variable in ("GITHUB_HEAD_REF", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_BRANCH"):
        if environ.get(variable):
            return environ[variable]
    return environ.get("GITHUB_REF_NAME", "") if environ.get("GITHUB_REF_TYPE") == "branch" else ""


def _base(root: Path, base: str | None, default: str, environ: Mapping[str, str]) -> _Base:
    if base:
        return _named(root, base, "")
    exact = environ.get("CI_MERGE_REQUEST_DIFF_BASE_SHA", "")
    if exact and (commit := git.commit_of(root, exact)):
        return _Base(environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME") or exact[:12], commit, is_exact=True)
    for variable in ("GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"):
        if environ.get(variable):
            return _named(root, environ[variable], variable)
    found = _named(root, default or _known_default(root, environ), _SETTING if default else "")
    return replace(found, is_default=True)


def _named(root: Path, name: str, where: str) -> _Base:
    """A branch of origin, else one of here, else a tag or commit of that name."""
    if not name.strip() or name.startswith("-") or any(char < " " or char == "\x7f" for char in name):
        raise UsageError(
            f"{name!r} is not the name of a branch or commit", where=where, now="nothing was run", hint="such as main"
        )
    prefixes = (
        ("",) if _OF_HERE.match(name) else ("refs/remotes/origin/", "refs/heads/", "refs/remotes/", "refs/tags/", "")
    )
    for prefix in prefixes:
        if commit := git.commit_of(root, prefix + name):
            return _Base(name, commit)
    refspec = shlex.quote(f"+refs/heads/{name}:refs/remotes/origin/{name}")
    raise UsageError(
        f"git does not know {name!r}, which the changed files are to be compared with",
        where=where,
        now="nothing was run",
        hint=_UNSHALLOW if git.is_shallow(root) else f"correct the name, or type: git fetch origin {refspec}",
    )


def _known_default(root: Path, environ: Mapping[str, str]) -> str:
    told = git.head_of_origin(root) or environ.get("CI_DEFAULT_BRANCH")
    if told:
        return told
    for name in ("origin/main", "origin/master", "main", "master"):
        prefix = "refs/remotes/" if name.startswith("origin/") else "refs/heads/"
        if git.commit_of(root, prefix + name):
            return name
    raise UsageError(
        "which branch is the default one is not known: there is no main or master",
        now="nothing was run",
        hint=_UNSHALLOW if git.is_shallow(root) else f"set {_SETTING}, or type: git remote set-head origin --auto",
    )


def _parted(root: Path, base: _Base) -> str:
    commit = git.merge_base(root, base.commit)
    if commit:
        return commit
    if git.is_shallow(root):
        raise UsageError(
            f"this clone does not reach back to where it parted from {base.name}",
            now="nothing was run",
            hint=_UNSHALLOW,
        )
    raise UsageError(
        f"HEAD and {base.name} have no commit in common",
        now="nothing was run",
        hint=f"compare with another branch: {_SETTING}",
    )


def _pushed(root: Path, environ: Mapping[str, str]) -> _Base | None:
    """What a branch was before the push that this pipeline runs for; without word of that, the commit before."""
    before = environ.get("CI_COMMIT_BEFORE_SHA", "") or _before_push_on_github(environ)
    if _NO_COMMIT.fullmatch(before) is None and (commit := git.commit_of(root, before)):
        return _Base(f"the push before ({commit[:12]})", commit, is_exact=True)
    if commit := git.commit_of(root, "HEAD^1"):
        return _Base(f"the commit before ({commit[:12]})", commit, is_exact=True)
    if git.is_shallow(root):
        raise UsageError(
            "this clone has no commit before the last one, so what was pushed is not known",
            now="nothing was run",
            hint=_UNSHALLOW,
        )
    return None


def _before_push_on_github(environ: Mapping[str, str]) -> str:
    try:
        event = json.loads(Path(environ.get("GITHUB_EVENT_PATH", "")).read_text(encoding="utf-8"))
        before = event["before"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return ""
    return before if isinstance(before, str) and re.fullmatch(r"[0-9a-f]{40,64}", before) else ""
