"""Where the configuration is found, which source wins, and what is said of files that cannot be used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shiptasks.config.load import find_root, load
from shiptasks.errors import UsageError

SHOP = """\
[tool.shiptasks]
project = "shop"
registry = "pyproject.example/a"

[tool.shiptasks.services.api]
context = "api"
replicas = 2
port = 8000
health = "/health"
routes = ["/api", "/health"]

[tool.shiptasks.services.api.args]
A = "1"
B = "1"

[tool.shiptasks.deploy]
keep = 3
drain-timeout = "1m30s"

[tool.shiptasks.environments.local]

[tool.shiptasks.environments.staging]
hosts = ["deploy@staging.example.com", "local"]
url = "https://staging.example.com"
registry = "staging.example/a"
services.api = { replicas = 3, routes = ["/"], args.B = "staging" }
deploy.keep = 4
"""

LOCAL = """\
registry = "local.example/a"
services.api.args.B = "mine"
deploy.keep = 7

[environments.staging]
hosts = ["local"]
services.api.args.A = "my staging"

[environments.sandbox]
hosts = ["me@box"]
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(SHOP)
    return tmp_path


def refused(root: Path, environment: str = "") -> UsageError:
    with pytest.raises(UsageError) as caught:
        load(root, environment, environ={})
    assert caught.value.exit_code == 2
    assert caught.value.now == "nothing was run"
    return caught.value


def test_without_an_environment_no_overlay_applies(shop: Path) -> None:
    project = load(shop, environ={})
    assert (project.root, project.environment, project.state_dir) == (shop, "", shop / ".shiptasks")
    assert (project.registry, project.deploy.keep, project.services["api"].replicas) == ("pyproject.example/a", 3, 2)
    assert project.image_name("api") == "pyproject.example/a/shop-api"


def test_an_environment_overlays_table_by_table_and_replaces_lists(shop: Path) -> None:
    project = load(shop, "staging", environ={})
    api = project.services["api"]
    assert project.environment == "staging"
    assert project.registry == "staging.example/a"
    assert (project.deploy.keep, project.deploy.drain_timeout) == (4, 90.0)
    assert (api.replicas, api.routes, api.context) == (3, ("/",), "api")
    assert api.args == {"A": "1", "B": "staging"}
    assert project.target.hosts == ("deploy@staging.example.com", "local")
    assert project.target.url == "https://staging.example.com"
    assert load(shop, "local", environ={}).services["api"].replicas == 2


def test_the_local_file_wins_and_its_environment_wins_last(shop: Path) -> None:
    (shop / "shiptasks.local.toml").write_text(LOCAL)
    base, staging = load(shop, environ={}), load(shop, "staging", environ={})
    assert (base.registry, base.deploy.keep) == ("local.example/a", 7)
    assert base.services["api"].args == {"A": "1", "B": "mine"}
    assert staging.registry == "local.example/a"
    assert staging.deploy.keep == 7
    assert staging.services["api"].args == {"A": "my staging", "B": "mine"}
    assert (staging.target.hosts, staging.target.url) == (("local",), "https://staging.example.com")
    assert load(shop, "sandbox", environ={}).target.hosts == ("me@box",)


def test_a_variable_wins_over_all_files_unless_it_is_empty(shop: Path) -> None:
    (shop / "shiptasks.local.toml").write_text(LOCAL)
    assert load(shop, "staging", environ={"SHIPTASKS_REGISTRY": "ci.example/a"}).registry == "ci.example/a"
    assert load(shop, "staging", environ={"SHIPTASKS_REGISTRY": ""}).registry == "local.example/a"


def test_variables_that_are_no_configuration_are_left_alone(shop: Path) -> None:
    environ = {"SHIPTASKS_LAB": "required", "SHIPTASKS_LAB_HOME": "/x", "SHIPTASKS_WITHIN": "deploy", "SHIPTASK": "1"}
    assert load(shop, environ=environ) == load(shop, environ={})


def test_the_process_environment_is_read_by_default(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIPTASKS_REGISTRY", "ci.example/a")
    assert load(shop).registry == "ci.example/a"


def test_a_mistake_in_the_local_file_is_told_with_its_own_place(shop: Path) -> None:
    (shop / "shiptasks.local.toml").write_text("[environments.staging]\nservices.api.replicas = 0\n")
    error = refused(shop)
    assert error.where == "shiptasks.local.toml:2:25"
    assert error.what.startswith("environments.staging.services.api.replicas: expected a whole number from 1 to 32")


def test_a_service_of_the_local_file_can_be_overlaid(shop: Path) -> None:
    (shop / "shiptasks.local.toml").write_text('services.debug.context = "debug"\n')
    with (shop / "pyproject.toml").open("a") as file:
        file.write("services.debug.replicas = 2\n")
    assert load(shop, "staging", environ={}).services["debug"].replicas == 2


def test_defaults(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.shiptasks]\nproject = "shop"\nservices.app = {}\nenvironments.x = {}\n'
    )
    project = load(tmp_path, "x", environ={})
    app = project.services["app"]
    assert (app.context, app.dockerfile, app.replicas, app.port, app.routes, app.migrate) == (
        ".",
        None,
        1,
        None,
        (),
        (),
    )
    assert (project.compose_file, project.registry, project.image_name("app")) == ("compose.yaml", "", "shop-app")
    assert (project.proxy.image, project.proxy.port) == ("haproxy:3.0", 80)
    assert (project.deploy.drain_timeout, project.deploy.health_timeout, project.deploy.min_disk) == (30.0, None, 10**9)
    assert (project.target.hosts, project.target.strategy, project.target.url) == (("local",), "rolling", "")


def test_the_configuration_is_frozen_all_the_way_down(shop: Path) -> None:
    project = load(shop, "staging", environ={})
    for section, key in ((project, "registry"), (project.deploy, "keep"), (project.services["api"], "replicas")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, key, 1)
    for table in (project.services, project.services["api"].args, project.lint, project.environments):
        with pytest.raises(TypeError, match="the configuration is frozen"):
            table["x"] = 1  # type: ignore
        with pytest.raises(TypeError, match="the configuration is frozen"):
            table.clear()  # type: ignore[union-attr]
    assert project.model_copy(deep=True) == project


def test_a_relative_root_becomes_absolute(shop: Path) -> None:
    assert load(Path(), environ={}).root == shop


# Finding the root


def test_the_root_is_found_from_a_subfolder(shop: Path) -> None:
    below = shop / "api" / "src"
    below.mkdir(parents=True)
    assert find_root(shop) == find_root(below) == shop


def test_a_part_with_a_pyproject_of_its_own_belongs_to_the_repository(shop: Path) -> None:
    (shop / ".git").mkdir()
    (shop / "api").mkdir()
    (shop / "api" / "pyproject.toml").write_text('[project]\nname = "api"\ndependencies = ["shiptasks"]\n')
    assert find_root(shop / "api") == shop


def test_another_repository_inside_ours_is_not_ours(shop: Path) -> None:
    inner = shop / "vendor"
    (inner / ".git").mkdir(parents=True)
    (inner / "pyproject.toml").write_text("[project]\n")
    assert find_root(inner) == inner
    assert refused(inner).what == "pyproject.toml has no table [tool.shiptasks]"


def test_a_pyproject_that_cannot_be_read_may_be_ours(shop: Path) -> None:
    (shop / "api").mkdir()
    (shop / "api" / "pyproject.toml").write_text("[tool.shiptasks\n")
    assert find_root(shop / "api") == shop / "api"


def test_no_pyproject_anywhere(tmp_path: Path) -> None:
    start = tmp_path / "My Shop"
    start.mkdir()
    with pytest.raises(UsageError) as caught:
        find_root(start)
    error = caught.value
    assert error.what == "there is no pyproject.toml"
    assert error.where == f"looked in {start} and in every folder above it"
    assert error.hint == "create pyproject.toml in the folder of your repository, with at least these lines"
    assert error.details == ("[tool.shiptasks]", 'project = "my-shop"', 'services.app.context = "."')
    assert refused(start).what == "there is no pyproject.toml"


def test_the_lines_that_the_error_proposes_are_enough(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "pyproject.toml").write_text("\n".join(refused(tmp_path).details))
    assert load(tmp_path, environ={}).services["app"].context == "."


def test_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    error = refused(tmp_path)
    assert (error.what, error.where) == ("pyproject.toml has no table [tool.shiptasks]", "pyproject.toml")
    assert error.hint == "add at least these lines to it"
    assert error.details[0] == "[tool.shiptasks]"


# Files that are not TOML


@pytest.mark.parametrize(
    ("text", "where", "details"),
    [
        ("a = 1\nb = \n", "2:5", ("2 | b =", "  |     ^")),
        ("a = 1\na = 2\n", "2:1", ("2 | a = 2", "  | ^")),
        ("[a]\n[a]\n", "2:2", ("2 | [a]", "  |  ^")),
        ("a = '\x1b[31m'\n", "1:6", ("1 | a = '?[31m'", "  |      ^")),
        ('a = "', "1:6", ('1 | a = "', "  |      ^")),
    ],
)
def test_invalid_toml(
    text: str, where: str, details: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(text)
    error = refused(tmp_path)
    assert (error.where, error.details) == (f"pyproject.toml:{where}", details)
    assert re.fullmatch(r"not valid TOML: [a-z][ -~]*[^)]", error.what)  # the parser's words, without its place


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 5_000, "a = " + "{a=" * 100_000])
def test_absurd_toml_is_an_error_not_a_traceback(text: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    refused(tmp_path)


def test_not_utf_8(shop: Path) -> None:
    (shop / "pyproject.toml").write_bytes(SHOP.encode() + "# caf\u00e9\n".encode("latin-1"))
    error = refused(shop)
    line = SHOP.count("\n") + 1
    assert error.what == f"the configuration is not UTF-8 text: byte 0xe9 in line {line}"
    assert error.where == f"pyproject.toml:{line}"
    assert error.hint == "save the file as UTF-8"


def test_windows_line_ends_and_a_byte_order_mark_are_fine(shop: Path) -> None:
    wrong = SHOP.replace("keep = 3", "keep = 1")
    (shop / "pyproject.toml").write_bytes(b"\xef\xbb\xbf" + wrong.replace("\n", "\r\n").encode())
    error = refused(shop)
    assert (error.where, error.details) == ("pyproject.toml:17:8", ("17 | keep = 1", "   |        ^"))


def test_a_loop_of_links_and_a_folder_are_named(shop: Path) -> None:
    file = shop / "pyproject.toml"
    file.unlink()
    file.symlink_to(file)
    assert find_root(shop) == shop
    assert refused(shop).what.startswith("the configuration cannot be read: ")
    file.unlink()
    file.mkdir()
    assert refused(shop).what == "the configuration cannot be read: Is a directory"
    assert refused(shop).where == "pyproject.toml"


def test_a_large_configuration_loads(tmp_path: Path) -> None:
    services = "".join(f'[tool.shiptasks.services.s{n}]\ncontext = "a"\n# {"x" * 90_000}\n' for n in range(50))
    environments = "".join(f"[tool.shiptasks.environments.e{n}]\nservices.s{n}.replicas = 2\n" for n in range(10))
    (tmp_path / "pyproject.toml").write_text(f'[tool.shiptasks]\nproject = "shop"\n{services}{environments}')
    assert load(tmp_path, "e7", environ={}).services["s7"].replicas == 2


# Any table at all

_WORDS = st.sampled_from(
    ["project", "services", "environments", "api", "hosts", "routes", "port", "health", "deploy", "[key]", "lint"]
) | st.text(max_size=3)  # fmt: skip
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates() | st.times()
_VALUES = st.recursive(
    _SCALARS.filter(lambda value: value is not None),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=12,
)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _quoted(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\U{ord(c):08x}" for c in text) + '"'


@settings(max_examples=300, deadline=None)
@given(table=st.dictionaries(_WORDS, _VALUES, max_size=5), environment=_WORDS)
def test_any_table_gives_a_project_or_errors_with_a_place(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, object], environment: str
) -> None:
    root = tmp_path_factory.mktemp("any", numbered=True)
    (root / "pyproject.toml").write_text(
        "[tool.shiptasks]\n" + "".join(f"{_quoted(key)} = {_toml(value)}\n" for key, value in table.items())
    )
    said = None
    try:
        load(root, environment, environ={})
    except UsageError as error:
        said = error
    if said is not None:
        assert "pyproject.toml" in said.where
        assert "not accepted" not in f"{said.what} {said.details}"  # each kind of mistake has words of its own


def test_reading_the_configuration_does_not_load_heavy_libraries(shop: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from shiptasks.config.load import load; load(Path('.'));"
        "print(*({'fabric', 'paramiko', 'docker', 'python_on_whales', 'rich', 'requests'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=shop, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == ""


def test_suggestions_need_only_the_standard_library() -> None:
    code = "import sys; import shiptasks.config.suggest; print('pydantic' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
