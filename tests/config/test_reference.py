"""The model is documented, the documentation is the model, and every key of it is read by somebody."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from shiptasks.config import reference
from shiptasks.config.hook import StageHooks
from shiptasks.config.model import Project
from shiptasks.config.section import Section

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "shiptasks"
SECTIONS = reference.sections_of(Project)
FIELDS = [(section, name) for section in SECTIONS for name in section.model_fields]


def test_docs_configuration_md_is_what_the_model_says() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == reference.render(), "run: python -m shiptasks.config.reference > docs/configuration.md"


@pytest.mark.parametrize(("section", "name"), FIELDS, ids=[f"{section.__name__}.{name}" for section, name in FIELDS])
def test_every_field_has_a_docstring_that_the_page_shows(section: type[Section], name: str) -> None:
    told = {field: text for field, _, text in reference.documented(section)}[name]
    assert len(told) > 10
    row = f"| `{name.replace('_', '-')}` | "
    assert any(line.startswith(row) and told.split()[0] in line for line in reference.render().split("\n"))


def _attributes_read() -> set[str]:
    """Every attribute that code outside config/ reads."""
    return {
        node.attr
        for path in SOURCE.rglob("*.py")
        if "config" not in path.relative_to(SOURCE).parts and path.name != "sections.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }


def test_every_key_is_read_by_something() -> None:
    # Hooks of stages are found by the stage's name: tests/tasks/test_hooks.py compares.
    # `registry` and `project` are read through Project.image_name as well.
    unread = {name for section, name in FIELDS if not issubclass(section, StageHooks)} - _attributes_read()
    assert unread == set(), f"keys that nothing reads: {', '.join(sorted(unread))}"
