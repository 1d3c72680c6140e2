"""What is wrong with a configuration, in plain words, at its place: pydantic's findings as one `UsageError`."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, get_args

import annotated_types
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from shiptasks.config.excerpt import excerpt
from shiptasks.config.keys import aliases, field_at, is_section, kind_at
from shiptasks.config.layers import Layers, Origin
from shiptasks.config.locate import KeyPath, Span
from shiptasks.config.model import OVERLAY, Project
from shiptasks.config.source import NOTHING_RAN
from shiptasks.config.suggest import did_you_mean
from shiptasks.config.types import Conflicts, SecretInPlainText
from shiptasks.deploy.sections import Environment
from shiptasks.errors import UsageError

_MOST = 50  # problems shown in full; a file full of them has one cause


@dataclass(frozen=True)
class Problem:
    """One wrong thing: where it was written, what was expected, and what may have been meant."""

    origin: Origin | None
    what: str
    hint: str = ""
    at_key: bool = False
    secret: bool = False

    @property
    def key(self) -> str:
        """`services.api.replicas`, or `environments.staging.hosts[1]`."""
        return key_of(self.origin.path if self.origin else ()) or "tool.shiptasks"

    @property
    def span(self) -> Span | None:
        if self.origin is None or self.origin.source is None:
            return None
        return self.origin.source.find(self.origin.path, key=self.at_key)

    @property
    def file(self) -> str:
        return self.origin.file if self.origin else ""

    @property
    def where(self) -> str:
        """`pyproject.toml:12:1`, or the variable's or flag's name."""
        return self.origin.where(key=self.at_key) if self.origin else ""

    @property
    def line(self) -> int:
        return self.span.line if self.span else 0

    def shown_lines(self, hidden: set[tuple[str, int]]) -> tuple[str, ...]:
        """The line that it is about, underlined; nothing for a variable, or for a line (file, number) with a secret."""
        if self.span is None or self.origin is None or self.origin.source is None or (self.file, self.line) in hidden:
            return ()
        return excerpt(self.origin.source.lines[self.span.line - 1], self.span)


def key_of(path: KeyPath) -> str:
    """`services.api.replicas`, `environments.staging.hosts[1]`: a path as it is written in TOML."""
    return "".join(_part(part, first=index == 0) for index, part in enumerate(path))


def problems_of(error: ValidationError, layers: Layers) -> Iterator[Problem]:
    """pydantic's findings about a laid-together table, each at the place where the value was written."""
    for detail in error.errors(include_url=False):
        path = _as_written(detail["loc"], layers)
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, Conflicts):
            for below, what in cause.found:
                yield Problem(layers.origin((*path, *below)), what)
        elif detail["type"] == "extra_forbidden":
            yield _unknown_key(path, layers)
        elif detail["type"] == "missing":
            yield Problem(layers.origin(path), f"the key `{path[-1]}` is missing", at_key=True)
        elif path and path[-1] == "[key]":
            yield Problem(layers.origin(path[:-1]), _expected(detail), at_key=True)
        else:
            secret = isinstance(cause, SecretInPlainText)
            used = layers.variables(path)
            if used:
                # Nobody knows what is in the variable: it is not shown.
                yield Problem(layers.origin(path), f"{_wanted(detail)}, and that is not what {_given_by(used)}")
            else:
                yield Problem(layers.origin(path), _expected(detail), _correction(detail), secret=secret)


def _as_written(path: KeyPath, layers: Layers) -> KeyPath:
    """The path of the text that stands for a whole table, where pydantic names the key that it is the value of."""
    section = kind_at(Project, path[:-1]) if path else None
    is_short = getattr(section, "text_key", "") == path[-1] if is_section(section) else False
    return path[:-1] if is_short and isinstance(layers.get(path[:-1]), str) else path


def refusal(problems: Iterable[Problem]) -> UsageError:
    """All problems as one error, in the order of the files; the same finding of several environments is told once."""
    distinct = {(problem.where, problem.key, problem.what): problem for problem in problems}.values()
    ordered = sorted(distinct, key=lambda p: (p.file, p.span or Span(0, 0, 0), p.key))
    hidden = {(problem.file, problem.line) for problem in ordered if problem.secret}
    if len(ordered) == 1:
        only = ordered[0]
        return UsageError(
            f"{only.key}: {only.what}",
            where=only.where,
            now=NOTHING_RAN,
            hint=only.hint,
            details=only.shown_lines(hidden),
        )
    lines: list[str] = []
    for problem in ordered[:_MOST]:
        lines.append(f"{problem.where}: {problem.key}: {problem.what}" + (f"; {problem.hint}" if problem.hint else ""))
        lines.extend(f"  {line}" for line in problem.shown_lines(hidden))
    if len(ordered) > _MOST:
        lines.append(f"and {len(ordered) - _MOST} more")
    files = ", ".join(dict.fromkeys(problem.file for problem in ordered))
    return UsageError(
        f"{len(ordered)} problems in the configuration", where=files, now=NOTHING_RAN, details=tuple(lines)
    )


def _unknown_key(path: KeyPath, layers: Layers) -> Problem:
    kind, word = kind_at(Project, path[:-1]), str(path[-1])
    section = kind if is_section(kind) else None
    keys = list(aliases(section)) if section else []
    if section is Environment:
        keys += OVERLAY
    hint = did_you_mean(word, keys)
    if not hint and section is Environment and word in aliases(Project).keys() - {"environments"}:
        hint = "it is the same for all environments: set it in [tool.shiptasks]"
    if not hint:
        hint = f"the keys here are: {', '.join(sorted(keys))}"
    return Problem(layers.origin(path), "unknown key", hint, at_key=True)


def _given_by(variables: tuple[str, ...]) -> str:
    return f"{' and '.join(variables)} {'hold' if len(variables) > 1 else 'holds'}"


def _expected(detail: ErrorDetails) -> str:
    """`expected a whole number from 1 to 32, not "2"`."""
    said = _wanted(detail)
    shown = not isinstance(detail.get("ctx", {}).get("error"), SecretInPlainText)
    shown = shown and not (detail["loc"] and detail["loc"][-1] == "[key]")
    return f"{said}, not {_told(detail['input'])}" if shown else said


def _wanted(detail: ErrorDetails) -> str:
    """`expected a whole number from 1 to 32`."""
    kind, cause = detail["type"], detail.get("ctx", {}).get("error")
    if isinstance(cause, SecretInPlainText):
        return str(cause)
    if kind == "value_error":
        return str(cause)
    if kind == "literal_error":
        choices = _choices(detail)
        return f"expected {' or '.join(json.dumps(choice) for choice in choices)}"
    if kind in ("int_type", "greater_than_equal", "less_than_equal"):
        return f"expected a whole number{_bounds(field_at(Project, detail['loc']))}"
    if kind in ("model_type", "model_attributes_type"):
        section = kind_at(Project, detail["loc"])
        return "expected text in quotes, or a table" if getattr(section, "text_key", "") else "expected a table"
    return _PLAIN.get(kind) or f"not accepted: {detail['msg']}"


_PLAIN = {
    "string_type": "expected text in quotes",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list",
    "dict_type": "expected a table",
    "mapping_type": "expected a table",
}


def _bounds(field: FieldInfo | None) -> str:
    metadata = field.metadata if field else []
    low = next((item.ge for item in metadata if isinstance(item, annotated_types.Ge)), None)
    high = next((item.le for item in metadata if isinstance(item, annotated_types.Le)), None)
    return f" from {low} to {high}" if low is not None and high is not None else ""


def _choices(detail: ErrorDetails) -> tuple[str, ...]:
    return tuple(str(choice) for choice in get_args(kind_at(Project, detail["loc"])))


def _correction(detail: ErrorDetails) -> str:
    """What was probably meant, where that can be told."""
    kind, value = detail["type"], detail["input"]
    if kind == "tuple_type" and isinstance(value, str) and value.strip() and len(value) <= 60:
        return f"write {json.dumps(value.split(), ensure_ascii=not value.isprintable())}"
    if kind == "literal_error" and isinstance(value, str) and len(_choices(detail)) > 1:
        return did_you_mean(value, _choices(detail))
    return ""


def _told(value: Any) -> str:
    """A TOML value in a few words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 60 else f"{value[:57]}...", ensure_ascii=not value.isprintable())
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (datetime.date, datetime.time)):
        return "a date or time"
    return "so large a number" if isinstance(value, int) and abs(value) > 10**20 else str(value)


def _part(part: str | int, *, first: bool) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    word = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part, ensure_ascii=not part.isprintable())
    return word if first else f".{word}"
