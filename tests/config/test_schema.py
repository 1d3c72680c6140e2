"""The JSON Schema that is shipped: in step with the model, and agreeing with it about what is right and wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shiptasks.config import schema
from shiptasks.config.toml import parse

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = json.loads(schema.render()[schema.PYPROJECT])
LOCAL: dict[str, Any] = json.loads(schema.render()[schema.LOCAL])
HEAD = '[tool.shiptasks]\nproject = "shop"\n'


@pytest.mark.parametrize("name", [schema.LOCAL, schema.PYPROJECT])
def test_what_is_shipped_is_what_the_model_says(name: str) -> None:
    written = (schema.folder() / name).read_text(encoding="utf-8")
    assert written == schema.render()[name], "run: python -m shiptasks.config.schema"
    jsonschema.Draft7Validator.check_schema(json.loads(written))


def errors(text: str) -> list[str]:
    return [error.message for error in jsonschema.Draft7Validator(PYPROJECT).iter_errors(parse(text))]


@pytest.mark.parametrize("path", ["pyproject.toml", "examples/demo-repo/pyproject.toml"])
def test_what_the_loader_takes_the_schema_takes(path: str) -> None:
    assert errors((ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "services.api = { replicas = 2, port = 8000, stop-first = true, args = { A = '1' } }",
        "environments.x = { hosts = ['a'], deploy.drain-timeout = '1m30s', services.api.replicas = 2, registry = 'r' }",
        "deploy.min-disk = '500 MB'",
        "environments.x.url = 'https://${HOST}'",
    ],
)
def test_right_lines(line: str) -> None:
    assert errors(f"{HEAD}{line}\n") == []


@pytest.mark.parametrize(
    "line",
    [
        "colour = 1",
        "registry = 3",
        "services.api.replicas = '2'",
        "services.api.replicas = 33",
        "services.api.replica = 2",
        "services.API.replicas = 2",
        "services.api.routes = '/'",
        "services.api.stop-first = 'yes'",
        "deploy.drain-timeout = 3",
        "deploy.drain-timeout = '3 seconds'",
        "deploy.drain-timeout = ''",
        "deploy.min-disk = '5'",
        "environments.x.strategy = 'canray'",
        "environments.x.deploy.bacth = 2",
        "environments.x.project = 'y'",
    ],
)
def test_wrong_lines(line: str) -> None:
    assert errors(f"{HEAD}{line}\n") != []


def test_the_project_is_needed_in_pyproject_but_not_in_the_local_file() -> None:
    assert errors("[tool.shiptasks]\n") != []
    assert errors("[project]\nname = 'x'\n[tool.other]\nx = 1\n") == []
    assert not list(jsonschema.Draft7Validator(LOCAL).iter_errors({"deploy": {"batch": 2}}))


def test_every_key_has_its_description() -> None:
    def walk(node: Any) -> None:
        for key, value in node.get("properties", {}).items():
            assert len(value["description"]) > 10, key
            walk(value)
            if isinstance(value.get("additionalProperties"), dict):
                walk(value["additionalProperties"])

    walk(LOCAL)
