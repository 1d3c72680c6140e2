"""Reads Dockerfiles as BuildKit does: instructions with their lines, heredocs, stages, and the images that they need.

A reader, not a judge: an instruction that does not exist is an instruction here too. `Unclear` is raised where only the
builder knows what is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shiptasks.build.dockerwords import OF_BUILDER, expand, flags_of, heredocs_of, raw_words, words
from shiptasks.build.unclear import Unclear

_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_DIRECTIVES = frozenset({"syntax", "escape", "check"})
_WITH_HEREDOC = frozenset({"ADD", "COPY", "RUN"})
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Heredoc:
    """A text within an instruction: `name` is what ends it, `expands` whether variables in it are replaced."""

    name: str
    content: str
    expands: bool


@dataclass(frozen=True)
class Instruction:
    """One instruction: `keyword` in capitals, `flags` such as `--from=build`, `rest` what follows them on one line.

    `line` and `end` are its first and last line in the file, counted from 1, heredocs included.
    """

    keyword: str
    flags: tuple[str, ...]
    rest: str
    line: int
    end: int
    heredocs: tuple[Heredoc, ...] = ()

    def flag(self, name: str) -> str | None:
        """The value of the first `--name=value`, empty without a value; None when it is not there."""
        return next(iter(self.values(name)), None)

    def values(self, name: str) -> tuple[str, ...]:
        """The values of every `--name=value`, in order."""
        return tuple(flag.partition("=")[2] for flag in self.flags if flag.partition("=")[0].lower() == f"--{name}")


@dataclass(frozen=True)
class Stage:
    """What a FROM begins. `base` and `platform` are as written, `name` in lower case, empty when it has none."""

    index: int
    name: str
    base: str
    platform: str
    line: int
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True)
class Dockerfile:
    """A Dockerfile. `syntax` is the image of the frontend that reads it, empty for the builder's own."""

    escape: str
    syntax: str
    globals: tuple[Instruction, ...]
    """The instructions before the first FROM: ARG."""
    stages: tuple[Stage, ...]

    def stage(self, target: str | None) -> Stage:
        """The stage of a name or number, the last one without. Raises Unclear when there is none."""
        if not self.stages:
            raise Unclear("the Dockerfile has no FROM")
        if target is None:
            return self.stages[-1]
        found = self._earlier(target, len(self.stages))
        if found is None:
            raise Unclear(f"the Dockerfile has no stage {target}")
        return found

    def declares(self, name: str) -> bool:
        """Whether an ARG anywhere takes the build argument `name`."""
        every = [*self.globals, *(one for stage in self.stages for one in stage.instructions)]
        return any(name in _declared(one, self.escape) for one in every)

    def images(self, target: str | None, args: Mapping[str, str]) -> tuple[str, ...]:
        """The images from elsewhere that the stage `target` needs, as they are called once `args` are filled in.

        Those of FROM, COPY --from and RUN --mount in all stages that it builds on, and the frontend's; not `scratch`.
        Sorted. Raises Unclear when the stage is not there or a name cannot be filled in.
        """
        values = self.values(args)
        frontend = args.get("BUILDKIT_SYNTAX") or self.syntax
        found = {frontend} if frontend else set()
        wanted, met = [self.stage(target)], set[int]()
        while wanted:
            stage = wanted.pop()
            if stage.index in met:
                continue
            met.add(stage.index)
            for name in (expand(stage.base, values, self.escape), *_sources(stage)):
                earlier = self._earlier(name, stage.index)
                if earlier is not None:
                    wanted.append(earlier)
                elif not name or "$" in name:
                    raise Unclear(f"which image {name!r} of the Dockerfile is cannot be told")
                elif name.lower() != "scratch":
                    found.add(name)
        return tuple(sorted(found))

    def values(self, args: Mapping[str, str]) -> dict[str, str]:
        """What names in FROM may contain: the arguments before the first FROM, and what the builder always knows."""
        known = {key: value for key, value in args.items() if OF_BUILDER.fullmatch(key)}
        for one in self.globals:
            if one.keyword == "ARG":
                for word in raw_words(one.rest, self.escape):
                    name, given, default = word.partition("=")
                    if name in args:
                        known[name] = args[name]
                    elif given:
                        known[name] = expand(default, known, self.escape)
        return known

    def fetches(self, target: str | None) -> str:
        """An address that ADD asks again at every build, in a stage that `target` may build on; empty for none.

        One with a checksum, or with the full hash of a commit, is always the same.
        """
        last = self.stage(target).index
        for stage in self.stages[: last + 1]:
            for one in map(_inner, stage.instructions):
                if one.keyword == "ADD" and one.flag("checksum") is None:
                    sources = (word.strip("[]\",'") for word in words(one.rest, self.escape)[:-1])
                    address = next((source for source in sources if _may_change(source)), "")
                    if address:
                        return address
        return ""

    def _earlier(self, name: str, before: int) -> Stage | None:
        """The stage of that name or number before another one: of two with one name, the later."""
        for stage in reversed(self.stages[:before]):
            if stage.name and stage.name == name.lower():
                return stage
        if re.fullmatch(r"[0-9]+", name) and int(name) < before:
            return self.stages[int(name)]
        return None


def parse(text: str) -> Dockerfile:
    """The Dockerfile of a text. Raises Unclear when an end is missing: of a heredoc, or of the whole file."""
    directives, escape = _directives(text), "\\"
    if directives.get("escape") in ("`", "\\"):
        escape = directives["escape"]
    globals_, stages = list[Instruction](), list[Stage]()
    body = list[Instruction]()
    for one in _instructions(text, escape):
        if one.keyword == "FROM":
            if stages:
                stages[-1] = replace(stages[-1], instructions=tuple(body))
            stages.append(_stage(one, len(stages)))
            body = []
        elif stages:
            body.append(one)
        else:
            globals_.append(one)
    if stages:
        stages[-1] = replace(stages[-1], instructions=tuple(body))
    return Dockerfile(escape, directives.get("syntax", "").split(" ")[0], tuple(globals_), tuple(stages))


def _directives(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.removeprefix("\ufeff").split("\n"):
        if not found and line.startswith("#!"):
            continue
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None or match[1].lower() not in _DIRECTIVES:
            break
        found.setdefault(match[1].lower(), match[2])
    return found


def _instructions(text: str, escape: str) -> Iterator[Instruction]:
    quoted = re.escape(escape)
    continued = re.compile(rf"(?:(?<!{quoted})|^){quoted}[ \t]*$")
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    at = 0
    while at < len(lines):
        start, whole = at + 1, lines[at].lstrip()
        at += 1
        if not whole or whole.startswith("#"):
            continue
        while (match := continued.search(whole)) is not None:
            whole = whole[: match.start()]
            # Comments and empty lines between continued ones belong to nothing.
            while at < len(lines) and (not lines[at].strip() or lines[at].lstrip().startswith("#")):
                at += 1
            if at >= len(lines):
                break
            whole, at = whole + lines[at], at + 1
        keyword, _, rest = re.sub(r"[\t\v\f\r ]+", " ", whole.strip(), count=1).partition(" ")
        keyword = keyword.upper()
        inner = rest.strip().partition(" ")[0].upper() if keyword == "ONBUILD" else keyword
        bodies: tuple[Heredoc, ...] = ()
        if inner in _WITH_HEREDOC and "<<" in rest:
            bodies, at = _heredocs(rest, escape, lines, at, start)
        flags, rest = flags_of(rest.strip(), escape)
        yield Instruction(keyword, flags, rest, start, at, bodies)


def _heredocs(rest: str, escape: str, lines: Sequence[str], at: int, start: int) -> tuple[tuple[Heredoc, ...], int]:
    """The texts that `rest` announces, from the line number `at` on, and the number of the line after them."""
    bodies = []
    for name, chomps, expands in heredocs_of(rest, escape):
        content = list[str]()
        while True:
            if at >= len(lines):
                raise Unclear(f"the text that begins in line {start} of the Dockerfile has no end: {name}")
            line, at = lines[at].lstrip("\t") if chomps else lines[at], at + 1
            if line == name:
                break
            content.append(line + "\n")
        bodies.append(Heredoc(name, "".join(content), expands))
    return tuple(bodies), at


def _stage(one: Instruction, index: int) -> Stage:
    parts = one.rest.split()
    name = parts[2].lower() if len(parts) == 3 and parts[1].upper() == "AS" else ""
    return Stage(index, name, parts[0] if parts else "", one.flag("platform") or "", one.line, ())


def _sources(stage: Stage) -> Iterator[str]:
    """The stages and images that a stage takes files from, as written."""
    for one in map(_inner, stage.instructions):
        if one.keyword in ("COPY", "ADD"):
            yield from (value for value in one.values("from") if value)
        if one.keyword == "RUN":
            for mount in one.values("mount"):
                options = dict(part.partition("=")[::2] for part in mount.strip("\"'").split(","))
                if options.get("from"):
                    yield options["from"]


def _inner(one: Instruction) -> Instruction:
    """What ONBUILD puts off: for a stage of the same file that builds on this one, it is done there."""
    if one.keyword != "ONBUILD":
        return one
    keyword, _, rest = one.rest.partition(" ")
    flags, rest = flags_of(rest.strip(), "\\")
    return replace(one, keyword=keyword.upper(), flags=flags, rest=rest)


def _declared(one: Instruction, escape: str) -> tuple[str, ...]:
    inner = _inner(one)
    return tuple(word.partition("=")[0] for word in words(inner.rest, escape)) if inner.keyword == "ARG" else ()


def _may_change(source: str) -> bool:
    """Whether a source of ADD is an address, or a variable that may hold one, without a commit's hash."""
    if source.startswith("$"):
        return True
    if re.match(r"(?:https?|git|ssh|ftp)://|[\w.-]+@[\w.-]+:", source) is None:
        return False
    address, _, fragment = source.partition("#")
    return not (address.endswith(".git") and _COMMIT.fullmatch(fragment.partition(":")[0]))
