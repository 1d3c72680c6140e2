"""The places where the plain `inv` program has no seam for what people expect, each changed here and nowhere else.

- A wrong task or flag is answered with the nearest right one, and exits 2: `ParseMachine.error` only knows "No idea
  what … is!" and exit 1.
- `inv --list` is grouped: `Program.list_flat` sorts everything into one column.
- Completion knows the values of `--env`, `--service` and of choices: `complete` knows tasks and flags.

All three are the same in invoke 2.2 and 3.0, and tested with both.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable, Iterable
from typing import Any

import invoke.program
from invoke.exceptions import Exit, ParseError
from invoke.parser.parser import ParseMachine
from invoke.program import Program

_UNKNOWN = re.compile(r"No idea what (?P<token>.*) is!", re.DOTALL)


class WrongUsage(ParseError, Exit):
    """invoke prints it as a ParseError, takes the exit code as from an Exit, and looks for neither's text twice."""

    def __init__(self, text: str, context: Any) -> None:
        Exception.__init__(self, text)
        self.context = context
        self.message = None
        self._code = 2

    @property
    def code(self) -> int:
        return 2

    def __str__(self) -> str:
        return str(self.args[0])


def answer_wrong_usage(machine: Any, message: str) -> None:
    """In the place of `ParseMachine.error`. Raises WrongUsage."""
    context = machine.context
    unknown = _UNKNOWN.fullmatch(message)
    if "needed value" in message and machine.flag:
        flag = f"--{machine.flag.name}"
        raise WrongUsage(_told(f"{flag} needs a value", f"{flag}=…"), context)
    if not unknown:
        raise WrongUsage(_told(message, ""), context)
    token = str(ast.literal_eval(unknown["token"]))
    if token.startswith("-"):
        where = f"inv {context.name}" if context and context.name else "inv"
        flags = [flag for each in (context, machine.initial) if each for flag in (*each.flags, *each.inverse_flags)]
        hint = _nearest(token.partition("=")[0], flags) or f"{where} --help lists the flags"
        raise WrongUsage(_told(f"{where} has no flag {token}", hint), context)
    names = [name for name in machine.contexts if name]
    hint = _nearest(token, names) or "inv --list shows the tasks"
    if context and context.name:
        hint += f"; a value of inv {context.name} needs its flag: --flag={token}"
    raise WrongUsage(_told(f"there is no task {token!r}", hint), context)


def _nearest(word: str, names: Iterable[str]) -> str:
    from shiptasks.config.suggest import did_you_mean

    return did_you_mean(word, list(names))


def _told(what: str, hint: str) -> str:
    """In the form of every error of ours, without the cost of a renderer."""
    from shiptasks.errors import UsageError
    from shiptasks.run.output import text_of

    return text_of(UsageError(what, now="nothing was run", hint=hint))


def install(
    listing: Callable[[Any, int], list[str] | None], candidates: Callable[[list[str], Any], list[str] | None]
) -> None:
    """Put them in place, once. `listing` gives the lines of `inv --list` for a collection and a width, `candidates` the
    completions of the words typed so far; either may give None, for invoke to do as it does.
    """
    if getattr(Program, "_shiptasks", False):
        return
    list_flat, complete = Program.list_flat, vars(invoke.program)["complete"]

    def grouped(program: Any) -> None:
        plain = program.list_root or program.list_depth or program.namespace is not None
        lines = None if plain else listing(program.scoped_collection, shutil.get_terminal_size((80, 24)).columns)
        if lines is None:
            list_flat(program)
        else:
            print("\n".join(lines))  # noqa: T201

    def completed(names: Any, core: Any, initial_context: Any, collection: Any, parser: Any) -> Any:
        found = candidates(core.remainder.split(" ")[1:], collection)
        if found is None:
            return complete(names, core, initial_context, collection, parser)
        print("\n".join(found), end="\n" if found else "")  # noqa: T201
        raise Exit

    for place, name, function in (
        (ParseMachine, "error", answer_wrong_usage),
        (Program, "list_flat", grouped),
        (invoke.program, "complete", completed),
        (Program, "_shiptasks", True),
    ):
        setattr(place, name, function)
