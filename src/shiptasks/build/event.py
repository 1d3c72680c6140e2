"""What is being built, and for what occasion: the event that CI tells of, or the state of the working tree.

The rules for tags (`tags`) and labels (`labels`) read nothing else, so that the same event gives the same names on a
laptop, in GitHub Actions and in GitLab CI. `eventsources` makes an event of variables, files and git.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from shiptasks.build.source import Source

Kind = Literal["branch", "tag", "pull request", "schedule", "manual", "local", "other"]
Origin = Literal["GitHub", "GitLab", "git", "file"]

_HEADS, _TAGS, _PULL = "refs/heads/", "refs/tags/", "refs/pull/"
# What GitHub and GitLab call a run that a person or a program asked for.
_MANUAL = frozenset({"workflow_dispatch", "repository_dispatch", "web", "api", "trigger", "manual"})
_SHORT = 7


@dataclass(frozen=True)
class Repository:
    """What is known of the repository, for labels. `url` is where people read it; `license` an SPDX identifier."""

    name: str = ""
    description: str = ""
    url: str = ""
    license: str = ""


@dataclass(frozen=True)
class Event:
    """The occasion of a build.

    `origin` says who told of it; `name` is what they call it (`push`, `schedule`); `ref` is in git's long form, that
    of a pull request `refs/pull/12/merge` wherever it comes from. `base_ref` is the branch that a pull request goes
    to, or that a tag was pushed from. `time` is now and `committed` when the commit was made, both with a time zone.
    `dirty` says that the tree is not what the commit says. `version` is what git calls the tree (`Source.version`).
    `known_tags` are the tags of the repository, to tell the newest version by; None when nobody knows them, as in
    a shallow clone.
    """

    origin: Origin
    name: str = ""
    ref: str = ""
    sha: str = ""
    default_branch: str = ""
    base_ref: str = ""
    time: datetime = datetime(1970, 1, 1, tzinfo=timezone.utc)
    committed: datetime = datetime(1970, 1, 1, tzinfo=timezone.utc)
    repository: Repository = field(default_factory=Repository)
    dirty: bool = False
    version: str = ""
    known_tags: tuple[str, ...] | None = ()

    @property
    def kind(self) -> Kind:
        if self.origin == "git":
            return "local"
        if self.ref.startswith(_PULL):
            return "pull request"
        if "schedule" in self.name:
            return "schedule"
        if self.name in _MANUAL:
            return "manual"
        return "tag" if self.tag else "branch" if self.branch else "other"

    @property
    def branch(self) -> str:
        """The branch that is built; empty for tags and pull requests."""
        return self.ref.removeprefix(_HEADS) if self.ref.startswith(_HEADS) else ""

    @property
    def tag(self) -> str:
        """The git tag that is built; empty otherwise."""
        return self.ref.removeprefix(_TAGS) if self.ref.startswith(_TAGS) else ""

    @property
    def number(self) -> str:
        """The pull request that is built, `12`; empty otherwise."""
        return re.sub(r"/merge\Z", "", self.ref.removeprefix(_PULL)) if self.ref.startswith(_PULL) else ""

    @property
    def short_sha(self) -> str:
        """The first seven characters of the commit; a tree that differs from it is not called by it alone."""
        return self.sha[:_SHORT] + self.mark if self.sha else ""

    @property
    def mark(self) -> str:
        """What follows the commit where the tree is not what the commit says."""
        return "-dirty" if self.dirty else ""

    @property
    def on_default_branch(self) -> bool:
        return bool(self.branch) and self.branch == self.default_branch

    def lines(self) -> tuple[str, ...]:
        """The event for people."""
        what = {
            "tag": f"tag {self.tag}",
            "pull request": f"pull request {self.number}",
            "branch": f"push to {self.branch}",
        }.get(self.kind, f"{self.kind} {self.branch or self.tag or self.version}".strip())
        commit = f" at {self.short_sha}" if self.sha else ""
        # Names come from elsewhere: they must not steer the terminal.
        return ("".join(char if char.isprintable() else "?" for char in f"{what}{commit} ({self.origin})"),)


def from_environment(
    environ: Mapping[str, str],
    root: Path,
    event_file: Path | None = None,
    *,
    source: Source | None = None,
    now: datetime | None = None,
) -> Event:
    """The event that `event_file` describes, else that of GitHub Actions or GitLab CI, else the tree at `root`.

    `source` is what git says of `root`, for whoever has asked it already. Raises UsageError for a file that cannot be
    read or does not say what is built, and for a CI that leaves out what it always says.
    """
    from shiptasks.build.eventsources import Tree, from_file, from_git, from_github, from_gitlab
    from shiptasks.build.source import look

    tree = Tree(root, source or look(root), now or datetime.now(timezone.utc))
    if event_file is not None:
        return from_file(event_file, tree)
    if environ.get("GITHUB_ACTIONS") == "true":
        return from_github(environ, tree)
    if environ.get("GITLAB_CI") == "true":
        return from_gitlab(environ, tree)
    return from_git(tree)
