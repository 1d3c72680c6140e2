"""What is asked of a Dockerfile before it is built: one small function a rule, over a Dockerfile that was read.

Only what ends up in the image is judged: the stage that is built, and the stages that it builds on. What cannot be
known before building (a variable in USER, the user of an image from elsewhere that says so in its name) is no finding.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from shiptasks.build.buildtools import base_with_tools, installed
from shiptasks.build.dockerfile import Dockerfile, Instruction, Stage
from shiptasks.build.dockerwords import expand, words
from shiptasks.plugins.protocols import Finding, Severity

_ROOT = ("0", "root")
_SAYS_NOT_ROOT = re.compile(r"non-?root|unprivileged|rootless", re.IGNORECASE)
_HAS_SLIM = frozenset({"debian", "node", "perl", "python", "ruby", "rust"})
_SMALL = re.compile(r"slim|alpine|distroless|wolfi")
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[\w.-]+@[\w.-]+:")
_UNKNOWN = re.compile(r"[$*?\[\]\\]")


@dataclass(frozen=True)
class Subject:
    """What is judged: `file` and `context` are paths for people, `target` and `args` as it is built.

    `has_ignore` says whether there is a .dockerignore for it, `is_there` whether a path exists in the context.
    """

    file: str
    dockerfile: Dockerfile
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    context: str = "."
    has_ignore: bool = True
    is_there: Callable[[str], bool] = lambda _: True

    @cached_property
    def values(self) -> Mapping[str, str]:
        """What names in FROM may contain."""
        return self.dockerfile.values(self.args)

    @cached_property
    def lineage(self) -> tuple[Stage, ...]:
        """The stage that is built and those that it is FROM, the first of them first: what ends up in the image."""
        stage: Stage | None = self.dockerfile.stage(self.target)
        found = list[Stage]()
        while stage is not None:
            found.insert(0, stage)
            stage = self.earlier(self.base(stage), stage.index)
        return tuple(found)

    @cached_property
    def needed(self) -> tuple[Stage, ...]:
        """Every stage that is built for it, in the order of the file; others BuildKit leaves out."""
        wanted, found = [self.lineage[-1]], dict[int, Stage]()
        while wanted:
            stage = wanted.pop()
            if stage.index not in found:
                found[stage.index] = stage
                names = (self.base(stage), *(name for _, name in taken(stage)))
                wanted += [each for name in names if (each := self.earlier(name, stage.index)) is not None]
        return tuple(found[index] for index in sorted(found))

    def base(self, stage: Stage) -> str:
        """What a stage is FROM, filled in; raises Unclear when it cannot be."""
        return expand(stage.base, self.values, self.dockerfile.escape)

    def earlier(self, name: str, before: int) -> Stage | None:
        """The stage of a name or number before another one; None: it is an image from elsewhere."""
        for stage in reversed(self.dockerfile.stages[:before]):
            if name and (stage.name == name.lower() or name == str(stage.index)):
                return stage
        return None

    def last(self, keyword: str) -> Instruction | None:
        """The last instruction of a kind in the lineage: the one that counts."""
        every = (one for stage in reversed(self.lineage) for one in reversed(stage.instructions))
        return next((one for one in every if one.keyword == keyword), None)

    def finding(self, line: int, rule: str, severity: Severity, message: str) -> Finding:
        return Finding(self.file, line, f"D6-{rule}", message, severity)


def judge(subject: Subject) -> tuple[Finding, ...]:
    """All findings, by line. Raises Unclear where only the builder knows what is meant."""
    if subject.dockerfile.syntax and "docker/dockerfile" not in subject.dockerfile.syntax:
        return ()  # another language
    rules = (_path, _user, _healthcheck, _dockerignore, _bases, _slim, _stages)
    found = {finding: None for rule in rules for finding in rule(subject)}
    return tuple(sorted(found, key=lambda finding: (finding.line, finding.rule, finding.message)))


def taken(stage: Stage) -> Iterator[tuple[int, str]]:
    """(line, name) of the stages and images that a stage takes files from."""
    for one in stage.instructions:
        if one.keyword in ("COPY", "ADD"):
            yield from ((one.line, name) for name in one.values("from") if name)
        elif one.keyword == "RUN":
            for mount in one.values("mount"):
                options = dict(part.partition("=")[::2] for part in mount.strip("\"'").split(","))
                if options.get("from"):
                    yield one.line, options["from"]


def sources(subject: Subject) -> Iterator[tuple[int, str]]:
    """(line, path) of what is copied from the context, as the path in it; `.` for the whole of it."""
    for stage in subject.needed:
        for one in stage.instructions:
            if one.keyword not in ("COPY", "ADD") or one.flag("from") is not None:
                continue
            given = words(one.rest.strip().removeprefix("[").removesuffix("]"), subject.dockerfile.escape)
            if one.rest.lstrip().startswith("["):
                given = tuple(word.removesuffix(",") for word in given)
            for word in given[:-1]:
                if not word.startswith("<<") and not _REMOTE.match(word):
                    yield one.line, posixpath.normpath("/" + word).lstrip("/") or "."


def _path(subject: Subject) -> Iterator[Finding]:
    for line, path in sources(subject):
        if not _UNKNOWN.search(path) and not subject.is_there(path):
            place = posixpath.normpath(posixpath.join(subject.context, path))
            message = f"{place} is not there: correct the path, or `context` of the service, which it is relative to"
            yield subject.finding(line, "path", "high", message)


def _user(subject: Subject) -> Iterator[Finding]:
    user = subject.last("USER")
    remedy = "add `USER 10001` at the end, an id and not a name"
    if user is not None:
        if user.rest.strip("\"' ").partition(":")[0] in _ROOT:
            yield subject.finding(user.line, "user", "high", f"the container runs as root: {remedy}")
        return
    first = subject.lineage[0]
    if not _SAYS_NOT_ROOT.search(subject.base(first)):
        message = f"no USER: the container runs as root, unless {subject.base(first)} says otherwise: {remedy}"
        yield subject.finding(subject.lineage[-1].line, "user", "high", message)


def _healthcheck(subject: Subject) -> Iterator[Finding]:
    check = subject.last("HEALTHCHECK")
    if check is None or check.rest.strip().upper() == "NONE":
        line = check.line if check else subject.lineage[-1].line
        message = "no HEALTHCHECK: nothing tells when the container can work; add one here or in the Compose file"
        yield subject.finding(line, "healthcheck", "medium", message)


def _dockerignore(subject: Subject) -> Iterator[Finding]:
    copied = list(sources(subject))
    if subject.has_ignore or not copied:
        return
    whole = [line for line, path in copied if path == "."]
    also = ", and the whole context is copied, .git and .env files too" if whole else ""
    message = f"no .dockerignore{also}: write one that begins with `*`, then `!` for what is needed"
    yield subject.finding(min(whole or (copied[0][0],)), "dockerignore", "medium" if whole else "low", message)


def _bases(subject: Subject) -> Iterator[Finding]:
    """Images from elsewhere: each by a tag that says which, and at best by its digest."""
    named = [(stage.line, subject.base(stage), stage.index) for stage in subject.needed]
    named += [(line, name, stage.index) for stage in subject.needed for line, name in taken(stage)]
    for line, name, index in named:
        if not name or name.lower() == "scratch" or "@" in name or subject.earlier(name, index) or "$" in name:
            continue
        tag = _tag(name)
        if tag in ("", "latest"):
            message = f"{name} is another image tomorrow: name a version, such as {_without_tag(name)}:1.2"
            yield subject.finding(line, "latest", "medium", message)
        else:
            message = f"{name} can become another image: {name}@sha256:… is always the same one"
            yield subject.finding(line, "digest", "info", message)


def _slim(subject: Subject) -> Iterator[Finding]:
    first = subject.lineage[0]
    name = subject.base(first)
    short = _without_tag(name).removeprefix("docker.io/").removeprefix("library/")
    if short in _HAS_SLIM and _tag(name) not in ("", "latest") and not _SMALL.search(name):
        message = f"{name} is the large form: {name.partition('@')[0]}-slim has what most programs need"
        yield subject.finding(first.line, "slim", "low", message)


def _stages(subject: Subject) -> Iterator[Finding]:
    remedy = "use them in a stage of its own, and COPY --from it what they made"
    first = subject.lineage[0]
    if base_with_tools(subject.base(first)):
        message = f"the image is built on {subject.base(first)} and has its compilers: {remedy}"
        yield subject.finding(first.line, "stages", "medium", message)
    for stage in subject.lineage:
        for one in stage.instructions:
            text = "\n".join((one.rest, *(heredoc.content for heredoc in one.heredocs)))
            if one.keyword == "RUN" and (tools := installed(text)):
                message = f"build tools stay in the image ({', '.join(tools)}): {remedy}"
                yield subject.finding(one.line, "stages", "medium", message)


def _tag(name: str) -> str:
    path, colon, tag = name.partition("@")[0].rpartition(":")
    return tag if colon and path and "/" not in tag else ""


def _without_tag(name: str) -> str:
    tag, plain = _tag(name), name.partition("@")[0]
    return plain.removesuffix(f":{tag}") if tag else plain
