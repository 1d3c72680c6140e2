"""The text of `[tool.shiptasks]` for a repository. What is uncertain is a comment, not a guess that is active."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from shiptasks.onboard.look import Repository
from shiptasks.onboard.names import name_of, quoted
from shiptasks.onboard.services import Found
from shiptasks.onboard.tools import Command, lint, test

_COMMENTS_AT = 40  # column


def table(found: Repository, services: Iterable[Found]) -> str:
    """The table, ending with a newline."""
    return "\n".join(_lines(found, list(services))) + "\n"


def _lines(found: Repository, services: list[Found]) -> Iterator[str]:
    yield "# What inv check, build and deploy work with. `inv config` shows what is in effect, `inv doctor` what lacks."
    yield "[tool.shiptasks]"
    yield _line(f"project = {quoted(name_of(found.name))}", "part of the names of images and containers")
    yield _line(f'# registry = "{_registry(found)}"', "where images are pushed; hosts over SSH need it")
    if found.compose and str(found.compose.path) != "compose.yaml":
        yield _line(f"compose-file = {quoted(str(found.compose.path))}", "the one for production")
    yield from _commands("lint", lint(found.tools), "ruff check .")
    yield from _commands("test", test(found.tools), "pytest")
    for each in services:
        yield from _service(each)
    if not any(not each.doubt for each in services):
        yield from ("", "# A service is built from a Dockerfile, and runs as the one of this name in the Compose file:")
        yield from ("# [tool.shiptasks.services.api]", '# context = "."')
    yield from (
        "",
        "# Where releases go: `local` is this machine without SSH, the others are servers with Docker.",
        "# [tool.shiptasks.environments.local]",
        "# proxy.port = 8080",
        "# [tool.shiptasks.environments.staging]",
        '# hosts = ["deploy@staging.example.com"]',
        '# url = "https://staging.example.com"',
        '# env-file = ".env.staging"',
    )


def _line(text: str, comment: str) -> str:
    return f"{text:<{_COMMENTS_AT}}# {comment}" if len(text) < _COMMENTS_AT else f"{text}  # {comment}"


def _registry(found: Repository) -> str:
    owner = found.owner.lower() if re.fullmatch(r"[A-Za-z0-9-]+", found.owner) else ""
    if found.host == "gitlab.com" and owner and re.fullmatch(r"[A-Za-z0-9-]+", found.name):
        return f"registry.gitlab.com/{owner}/{found.name.lower()}"
    return f"ghcr.io/{owner}" if found.host == "github.com" and owner else "ghcr.io/acme"


def _commands(heading: str, commands: list[Command], example: str) -> Iterator[str]:
    yield ""
    sure = [each for each in commands if each.sure]
    if sure:
        only = f"by name; one alone: inv check --only={sure[0].name}"
        yield _line(f"[tool.shiptasks.{heading}]", only)
    else:
        yield f"# [tool.shiptasks.{heading}]"
        if not commands:
            yield f"# {example.split()[0]} = {quoted(example)}"
    for each in commands:
        value = f"{{ preset = {quoted(each.text)} }}" if each.is_preset else quoted(each.text)
        yield f"{'' if each.sure else '# '}{each.name} = {value}"


def _service(each: Found) -> Iterator[str]:
    hidden = "# " if each.doubt else ""
    yield ""
    if each.doubt:
        yield f"# There is {each.dockerfile or f'{each.context}/Dockerfile'}; {each.doubt}."
    if each.called:
        yield f"# The Compose file calls it {quoted(each.called)}: give it this name there."
    yield f"{hidden}[tool.shiptasks.services.{each.name}]"
    yield _line(f"{hidden}context = {quoted(each.context)}", "the folder that it is built from")
    if each.dockerfile:
        yield f"{hidden}dockerfile = {quoted(each.dockerfile)}"
    if each.target:
        yield f"{hidden}target = {quoted(each.target)}"
    if each.doubt:
        return
    if each.port:
        yield _line(f"port = {each.port}", f"inside the container, from {each.port_from}")
    else:
        yield _line("# port = 8000", "inside the container")
    if each.health and each.port:
        yield _line(f"health = {quoted(each.health)}", f"answers 200 when it is ready, from {each.health_from}")
    else:
        yield _line('# health = "/health"', "answers 200 when it is ready")
    yield _line('# routes = ["/"]', "what the proxy sends here; needs port and health")
