"""The variables that a Compose file names: what the environment file has to set."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shiptasks.config.model import Project
from shiptasks.errors import Interrupted, ShiptasksError
from shiptasks.run import process

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_USE = re.compile(rf"\$\$|\$\{{(?P<name>{_NAME})(?P<how>:?[-?+])?|\$(?P<plain>{_NAME})")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_OWN = re.compile(r"COMPOSE_|DOCKER_")  # what Compose itself sets or reads


@dataclass(frozen=True)
class Need:
    """A variable that the file names. `line` is the first place, 0 for one in a file that it includes."""

    name: str
    line: int
    needed: bool
    """It has no default: without it Compose puts in nothing, or refuses."""
    filled: bool
    """It must not be empty either: `${NAME:?…}`."""


@dataclass(frozen=True)
class Needs:
    """What the Compose file asks of the environment file."""

    variables: dict[str, Need]
    whole_file: bool = False
    """A service takes the whole of a file by `env_file`: more may be in it than the Compose file names."""


def needs(project: Project) -> Needs:
    """What the Compose file of the project names. Nothing where it cannot be read: a deploy says so itself."""
    try:
        text = (project.root / project.compose_file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Needs({})
    found = scan(text)
    listed = _listed(project)
    if listed is not None:
        # Compose knows comments, block texts and included files; the scan knows lines and kinds of defaults.
        variables = {name: need for name, need in found.variables.items() if name in listed}
        for name, required in listed.items():
            if required and name not in variables:
                variables[name] = Need(name, 0, needed=True, filled=True)
        found = Needs(variables, found.whole_file)
    return found


def scan(text: str) -> Needs:
    """What the text of a Compose file names, line by line. A comment names nothing."""
    variables: dict[str, Need] = {}
    whole_file = False
    for number, line in enumerate(text.splitlines(), 1):
        code = _COMMENT.sub("", line)
        whole_file = whole_file or bool(re.match(r"\s*[\"']?env_file[\"']?\s*:", code))
        for match in _USE.finditer(code):
            name = match["name"] or match["plain"]
            if not name or _OWN.match(name):
                continue
            how = match["how"] or ""
            before = variables.get(name)
            needed = not how or how.endswith("?")
            variables[name] = Need(
                name,
                before.line if before else number,
                needed=needed or (before is not None and before.needed),
                filled=how == ":?" or (before is not None and before.filled),
            )
    return Needs(variables, whole_file)


def _listed(project: Project) -> dict[str, bool] | None:
    """The variables as `docker compose config --variables` lists them, with whether it calls them required; None where
    it cannot be asked."""
    argv = ("docker", "compose", "--file", project.compose_file, "--env-file", "/dev/null", "config", "--variables")
    try:
        ended = process.run(argv, cwd=project.root, timeout=20, check=False)
    except Interrupted:
        raise
    except ShiptasksError:
        return None
    rows = [line.split() for line in ended.stdout.splitlines()]
    if not ended.ok or not rows or rows[0][:2] != ["NAME", "REQUIRED"]:
        return None
    return {row[0]: row[1] == "true" for row in rows[1:] if len(row) > 1}
