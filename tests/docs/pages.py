"""The pages, and what is written in them: links, code blocks, commands, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = tuple(sorted((*(ROOT / "docs").glob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")))))

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?<!`)(`{1,2})(?!`)(.+?)(?<!`)\1(?!`)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_COMMAND = re.compile(r"(?<![\w./-])inv((?: +[^\s`'\"|;&)#,]+)+)")


@dataclass(frozen=True)
class Command:
    """`inv <task> --flag …` as it stands in a page."""

    page: Path
    task: str
    flags: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.name}: inv {' '.join((self.task, *self.flags))}"


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose_of(page: Path) -> str:
    """The page without its code blocks."""
    return _FENCE.sub("", text_of(page))


def links(page: Path) -> Iterator[str]:
    """Where links lead that stay in the repository."""
    for target in _LINK.findall(prose_of(page)):
        if "://" not in target:
            yield target


def anchors(page: Path) -> set[str]:
    """Headings as GitHub makes anchors of them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in _HEADING.findall(prose_of(page))
    }


def blocks(page: Path, language: str) -> list[str]:
    return [body for kind, body in _FENCE.findall(text_of(page)) if kind == language]


def inline(text: str) -> list[str]:
    """What stands between backticks; a pair of two is taken off with the blanks that it needs."""
    return [
        body[1:-1] if ticks == "``" and body[:1] == body[-1:] == " " else body for ticks, body in _CODE.findall(text)
    ]


def commands(page: Path) -> Iterator[Command]:
    """Every `inv …` in code, whether in a line of its own, after a prompt, or in a sentence."""
    code = [body for kind, body in _FENCE.findall(text_of(page)) if kind != "python"] + inline(prose_of(page))
    for found in _COMMAND.findall("\n".join(code).replace("$(INV)", "inv").replace(".venv/bin/inv", "inv")):
        task, *rest = found.split()
        flags = []
        for word in rest:
            if not word.startswith("--"):
                break
            flags.append(word.partition("=")[0])
        if not task.startswith("-") and task != "…":
            yield Command(page, task, tuple(flags))


def rows(page: Path) -> Iterator[list[str]]:
    """The cells of every row of every table but the headings."""
    for line in prose_of(page).splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line):
            yield [cell.strip() for cell in line.strip("|").split("|")]
