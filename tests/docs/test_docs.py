"""The pages say what is so: links, commands, exit codes, configuration and messages are held against the code."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from shiptasks import errors
from shiptasks.config.load import LOCAL_FILE, load
from shiptasks.run import events
from shiptasks.tasks import namespace
from shiptasks.tasks._namespace import flat
from tests.docs import messages, pages

TROUBLE = pages.ROOT / "docs" / "troubleshooting.md"
CODES = pages.ROOT / "docs" / "exit-codes.md"
SHARE = 0.6  # share of a message's own words that the page must have
OF_OTHERS = {"--compile"}  # of pip
TOML = [(page, number, block) for page in pages.PAGES for number, block in enumerate(pages.blocks(page, "toml"), 1)]
PYTHON = [(page, number, block) for page in pages.PAGES for number, block in enumerate(pages.blocks(page, "python"), 1)]


def named(values: Iterable[tuple[Path, int, str]]) -> list[str]:
    return [f"{page.name}-{number}" for page, number, _ in values]


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in pages.links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in pages.anchors(there), f"{page.name}: {target}"


def test_every_page_is_on_the_map() -> None:
    index = pages.ROOT / "docs" / "index.md"
    on_it = {(index.parent / target).resolve() for target in pages.links(index)}
    assert {page for page in pages.PAGES if page.parent == index.parent} - {index} <= on_it


@cache
def surface() -> dict[str, set[str]]:
    """The options of every task, by name: ours, and those of this repository."""
    from tasks import ns

    return {
        name: {flag for argument in task.get_arguments() for flag in map(option, argument.names)}
        for name, task in {**flat(namespace()), **flat(ns)}.items()
    }


def option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def defined_on(page: Path) -> dict[str, set[str]]:
    """The tasks that a page's own examples define."""
    functions = (
        node
        for block in pages.blocks(page, "python")
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.FunctionDef)
    )
    return {node.name: {option(argument.arg) for argument in node.args.args[1:]} for node in functions}


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page: Path) -> None:
    known = {**defined_on(page), **surface()}
    for command in pages.commands(page):
        assert command.task in known, str(command)
        assert set(command.flags) <= known[command.task], str(command)


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_options_that_are_named_alone_exist(page: Path) -> None:
    known = set[str]().union(*surface().values(), OF_OTHERS)
    for code in pages.inline(pages.prose_of(page)):
        if code.startswith("--"):
            assert re.match(r"[\w-]+", code)[0] in known, f"{page.name}: {code}"  # type: ignore[index]


def test_commands_are_found_at_all() -> None:
    found = {str(command).partition(": ")[2] for page in pages.PAGES for command in pages.commands(page)}
    assert {"inv deploy --env --plan", "inv build --version --push", "inv lab.up", "inv check"} <= found
    assert len(found) > 25


def test_exit_codes_are_those_of_errors() -> None:
    documented = {
        cells[1].strip("`"): int(cells[0]) for cells in pages.rows(CODES) if re.fullmatch(r"\d+", cells[0]) and cells[1]
    }
    expected = {
        each.__name__: each.exit_code
        for each in vars(errors).values()
        if inspect.isclass(each) and issubclass(each, errors.ShiptasksError) and each is not errors.ShiptasksError
    }
    assert documented == expected


def test_events_and_their_fields_are_those_of_the_run_log() -> None:
    documented = {}
    for cells in pages.rows(CODES):
        name = cells[0].strip("`")
        if inspect.isclass(getattr(events, name, None)):
            documented[name] = set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", cells[1])))
    expected = {
        each.__name__: set(each.__dataclass_fields__) - {"at"}
        for each in vars(events).values()
        if inspect.isclass(each) and issubclass(each, events.Event) and each is not events.Event
    }
    assert set(documented) == set(expected)
    # `Text` names its kinds of text behind the field.
    assert {name: fields >= expected[name] for name, fields in documented.items()} == dict.fromkeys(expected, True)


@pytest.mark.parametrize(("page", "number", "block"), TOML, ids=named(TOML))
def test_configuration_in_examples_is_valid(page: Path, number: int, block: str, tmp_path: Path) -> None:
    del page, number
    is_local = block.startswith(f"# {LOCAL_FILE}")
    assert is_local or "[tool.shiptasks" in block, "an example that nothing checks"
    (tmp_path / "pyproject.toml").write_text('[tool.shiptasks]\nproject = "shop"\n' if is_local else block)
    if is_local:
        (tmp_path / LOCAL_FILE).write_text(block)
    project = load(tmp_path, environ={})
    for name in project.environments:
        load(tmp_path, name, environ={})


@pytest.mark.parametrize(("page", "number", "block"), PYTHON, ids=named(PYTHON))
def test_python_in_examples_defines_tasks(page: Path, number: int, block: str) -> None:
    del page, number
    names: dict[str, Any] = {"__name__": "example"}
    exec("import shiptasks\nfrom shiptasks import tasks\n" + block, names)
    for name, value in names.items():
        if inspect.isfunction(value):
            assert value.__module__ != "example", f"{name} is no task"


WRITTEN = [
    message
    for cells in pages.rows(TROUBLE)
    for message in pages.inline(cells[0])
    if cells[0] not in ("Message", "Problem")
]


@pytest.mark.parametrize("message", WRITTEN)
def test_every_message_of_the_page_is_in_the_sources(message: str) -> None:
    assert any(messages.covers(message, text) for text in messages.strings() if text != messages.ELLIPSIS), message


def test_every_message_of_the_sources_is_on_the_page() -> None:
    missing = [
        f"{place}: {text}"
        for place, text in messages.told()
        if not any(
            messages.covers(written, text) and messages.own_words(written) >= SHARE * messages.own_words(text)
            for written in WRITTEN
        )
    ]
    assert not missing, "docs/troubleshooting.md needs a row for each of\n" + "\n".join(missing)
