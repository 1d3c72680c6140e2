"""A task's parameters as flags of the command line: types from annotations, choices, what is wrong with a value.

invoke takes types from defaults only and answers a bad number with a traceback. Here a parameter is typed by its
annotation, or by its default where the annotation says nothing, and every value is checked before the body runs.
"""

from __future__ import annotations

import enum
import inspect
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from shiptasks.errors import UsageError

_NOTHING_RAN = "nothing was run"
_WORDS = {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}
_HOOK = "HookContext"
_MISSING = inspect.Parameter.empty


@dataclass(frozen=True)
class Parameter:
    """One flag. `kind` is the type of its value, or of each item when it is `many`; `choices` are what it may be."""

    name: str
    kind: Any
    default: Any = _MISSING
    choices: tuple[str, ...] = ()
    many: bool = False

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"

    @property
    def required(self) -> bool:
        return self.default is _MISSING

    @property
    def word(self) -> str:
        """What people call its type: `duration`, `list of texts`."""
        word = " or ".join(self.choices) or _WORDS.get(self.kind) or self.kind.__name__.lower()
        return f"list: {word}" if self.many else word

    def value(self, given: Any) -> Any:
        """The typed value of what was typed, or passed by other code. Raises UsageError for what does not fit."""
        if self.many:
            items = [given] if isinstance(given, str) else list(given or ())
            words = [word for item in items for word in (_words(item) if isinstance(item, str) else (item,))]
            values = [self._one(word) for word in words]
            return values if get_origin(self.default) is list or isinstance(self.default, list) else tuple(values)
        return given if given is None else self._one(given)

    def _one(self, given: Any) -> Any:
        if self.choices:
            return self._chosen(given)
        if not isinstance(given, str) or self.kind is str or self.kind is bool:
            return given
        if self.kind is Path:
            return Path.cwd() / Path(given).expanduser()  # as seen from where the person typed it
        try:
            return self.kind(given)
        except ValueError as error:
            word = _WORDS.get(self.kind)
            if word:
                raise UsageError(f"{self.flag}={given} is not a {word}", now=_NOTHING_RAN) from None
            raise UsageError(f"{self.flag}={given}: {error}", now=_NOTHING_RAN, hint=f"{self.flag}=…") from None

    def _chosen(self, given: Any) -> Any:
        is_enum = isinstance(self.kind, type) and issubclass(self.kind, enum.Enum)
        if is_enum and isinstance(given, self.kind):
            return given
        if str(given) in self.choices:
            return _members(self.kind)[str(given)] if is_enum else given
        from shiptasks.config.suggest import nearest

        near = nearest(str(given), self.choices) or self.choices[0]
        raise UsageError(
            f"{self.flag}={given} is not known",
            now=_NOTHING_RAN,
            hint=f"{self.flag}={near}; the choices are {', '.join(self.choices)}",
        )


def parameters(
    body: Callable[..., Any], choices: dict[str, tuple[str, ...]], repeated: Sequence[str]
) -> list[Parameter]:
    """The parameters of a task's body after its context; one that takes a HookContext is no flag.

    Raises TypeError for one that no command line can give, such as `*args`.
    """
    found = []
    for parameter in list(inspect.signature(body).parameters.values())[1:]:
        if _HOOK in str(parameter.annotation) or parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            raise TypeError(f"the task {body.__name__!r} takes *{parameter.name}: a task takes flags by name")
        one = _typed(parameter.name, _resolved(parameter.annotation, body), parameter.default)
        if parameter.name in choices:
            one = replace(one, choices=choices[parameter.name])
        found.append(replace(one, many=one.many or parameter.name in repeated))
    return found


def hook_parameter(body: Callable[..., Any]) -> str | None:
    """The name of the parameter that takes the HookContext, if there is one."""
    for parameter in inspect.signature(body).parameters.values():
        if _HOOK in str(parameter.annotation):
            return parameter.name
    return None


def _typed(name: str, annotation: Any, default: Any) -> Parameter:
    kind = _plain(annotation)
    many = get_origin(kind) in (list, tuple, Sequence) or kind in (list, tuple)
    if many:
        inside = [each for each in get_args(kind) if each is not Ellipsis]
        kind = _plain(inside[0]) if inside else str
    elif kind is None:
        many = isinstance(default, (list, tuple))
        kind = str if many or default is None or default is _MISSING else type(default)
    if get_origin(kind) is Literal:
        return Parameter(name, str, default, tuple(map(str, get_args(kind))), many)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return Parameter(name, kind, default, tuple(_members(kind)), many)
    if not isinstance(kind, type):
        kind = str
    return Parameter(name, kind, default, (), many)


def _members(kind: type[enum.Enum]) -> dict[str, enum.Enum]:
    """The members by what people type: a text value as it is, else the name in lower case with hyphens."""
    return {
        member.value if isinstance(member.value, str) else member.name.lower().replace("_", "-"): member
        for member in kind
    }


def _resolved(annotation: Any, body: Callable[..., Any]) -> Any:
    """The annotation itself where it is written as text; None where it cannot be known when the program runs."""
    if annotation is _MISSING:
        return None
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, getattr(body, "__globals__", {}))  # noqa: S307 - the task file's own text
    except Exception:
        return None  # only there for type checkers: the default decides


def _plain(annotation: Any) -> Any:
    """Without `Annotated` and without `| None`; None for what says nothing."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [each for each in get_args(annotation) if each is not type(None)]
        return _plain(inner[0]) if len(inner) == 1 else None
    return None if annotation in (Any, type(None), None) else annotation


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
