"""Whatever is in the file: a configuration, or a UsageError that names a place; never another error."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shiptasks.config.keys import settable
from shiptasks.config.load import load
from shiptasks.config.model import Project
from shiptasks.errors import UsageError

VALID = """\
[tool.shiptasks]
project = "shop"
registry = "ghcr.io/acme"

[tool.shiptasks.services.api]
context = "api"
replicas = 2
port = 8000
health = "/health"
routes = ["/api", "/health"]
args = { A = "1", "b c" = '2' }

[tool.shiptasks.environments.staging]
hosts = ["deploy@staging.example.com", "${WEB:-web2}"]
services.api.replicas = 3
deploy.drain-timeout = "1m30s"  # long
"""
TABLE = {"services": {"api": {"args": {"A": 1}}}, "environments": {"x": {}}, "lint": {"a": 1}, "test": {"b": 1}}
KEYS = [".".join(path) for path in settable(Project, TABLE)]  # type: ignore[arg-type]

scalars = st.one_of(
    st.text(max_size=12),
    st.integers(-(10**22), 10**22),
    st.booleans(),
    st.floats(allow_nan=False),
    st.sampled_from(
        ["1m30s", "-5s", "99999", "ghp_" + "a" * 36, "-oProxyCommand=x", "user@host;id", "../x", "${X}", "${"]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)


def toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{text(key)} = {toml(item)}" for key, item in value.items()) + "}"
    return text(value) if isinstance(value, str) else repr(value)


def text(value: str) -> str:
    clean = "".join(c for c in value if not 0xD800 <= ord(c) < 0xE000)
    return json.dumps(clean, ensure_ascii=False).replace("\x7f", "\\u007f")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def try_it(folder: Path, content: bytes) -> None:
    (folder / "pyproject.toml").write_bytes(content)
    error: UsageError | None = None
    try:
        assert isinstance(load(folder, environ={}), Project)
    except UsageError as raised:
        error = raised
    if error is not None:
        assert error.exit_code == 2
        assert error.where or error.details
        assert error.now == "nothing was run"
        assert all(c.isprintable() for line in (error.what, error.where, error.hint, *error.details) for c in line)


many = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@many
@given(st.lists(st.tuples(st.sampled_from(KEYS), values), max_size=4))
def test_known_keys_with_any_value(folder: Path, pairs: list[tuple[str, Any]]) -> None:
    lines = "\n".join(f"{key} = {toml(value)}" for key, value in pairs)
    try_it(folder, f'[tool.shiptasks]\nproject = "shop"\n{lines}\n'.encode())


@many
@given(st.dictionaries(st.text(max_size=8), values, max_size=4))
def test_any_table(folder: Path, table: dict[str, Any]) -> None:
    lines = "\n".join(f"{text(key)} = {toml(value)}" for key, value in table.items())
    try_it(folder, f"[tool.shiptasks]\n{lines}\n".encode())


@many
@given(st.integers(0, len(VALID)), st.integers(0, 12), st.text(max_size=6))
def test_a_valid_file_with_a_part_of_it_changed(folder: Path, at: int, length: int, replacement: str) -> None:
    try_it(folder, (VALID[:at] + replacement + VALID[at + length :]).encode("utf-8", "surrogatepass"))


@many
@given(st.binary(max_size=60))
def test_any_bytes_at_all(folder: Path, content: bytes) -> None:
    try_it(folder, b"[tool.shiptasks]\n" + content)


def test_five_megabytes_are_read_or_refused_in_reasonable_time(folder: Path) -> None:
    began = time.monotonic()
    try_it(folder, (VALID + "".join(f'lint.a-{n} = "echo {n}"\n' for n in range(40_000))).encode())
    try_it(folder, (VALID.replace('"1"', f'"{"x" * 5_000_000}"')).encode())
    try_it(folder, b"[tool.shiptasks]\nx = " + b"[" * 5_000_000)
    assert time.monotonic() - began < 60  # a hang, not a measure


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        load(tmp_path, environ={})


def test_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").symlink_to("b")
    (tmp_path / "b").symlink_to("pyproject.toml")
    with pytest.raises(UsageError, match="cannot be read: Too many levels of symbolic links"):
        load(tmp_path, environ={})
