"""The messages of the sources, as templates: what is put in at run time is `…`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "shiptasks"
ELLIPSIS = "…"
# Errors that people see, and one whose text becomes a finding of verify.
ERRORS = {"Failed", "FailedNotRestored", "FailedRestored", "Interrupted", "Refused", "ShiptasksError", "UsageError"}
ERRORS |= {"Cancelled", "CannotAsk", "HostError", "NoAnswer", "NotInstalled", "ProcessTimeout", "ScriptFailed"}
ERRORS |= {"StepTimeout"}
_LEAST = 8  # letters that a message must have of its own to be one


def template(node: ast.expr) -> str:
    """The text that an expression makes, with `…` for what is not known before it runs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) if isinstance(part, ast.Constant) else ELLIPSIS for part in node.values)
    return ELLIPSIS


@cache
def strings() -> tuple[str, ...]:
    """Every text in the sources, as a template."""
    nodes = (node for path in sorted(SOURCE.rglob("*.py")) for node in ast.walk(_tree(path)))
    return tuple(template(node) for node in nodes if isinstance(node, (ast.Constant, ast.JoinedStr)))


@cache
def told() -> tuple[tuple[str, str], ...]:
    """(place, template) of each message with which the sources stop somebody."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in _raised(path):
            text = template(node)
            if sum(char.isalpha() for char in text) >= _LEAST:
                found.append((f"{path.relative_to(SOURCE)}:{node.lineno}", text))
    return tuple(found)


def _raised(path: Path) -> Iterator[ast.expr]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
            yield node.args[0]
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            yield from _called_what(node.targets[0], node.value)
        elif isinstance(node, ast.Yield) and node.value is not None and path.name == "preflight.py":
            yield node.value


def _called_what(target: ast.expr, value: ast.expr) -> Iterator[ast.expr]:
    """Texts that are put together before they are raised; by habit the variable is called `what`."""
    if isinstance(target, ast.Name) and target.id == "what":
        yield from (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,)
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, part in zip(target.elts, value.elts, strict=False):
            yield from _called_what(one, part)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def own_words(text: str) -> int:
    """How much of a template is known."""
    return len(text.replace(ELLIPSIS, "").replace(" ", ""))


def covers(written: str, text: str) -> bool:
    """Whether a message as a page writes it is that of a template."""
    parts = [r"\s*" + re.escape(part.strip()) + r"\s*" if part.strip() else "" for part in written.split(ELLIPSIS)]
    return re.fullmatch(".*".join(parts), text, re.DOTALL) is not None
