"""Each wrong key, type and value: the exact words, the place, and what is underlined there."""

from __future__ import annotations

from pathlib import Path

import pytest

from shiptasks.config.load import load
from shiptasks.errors import UsageError

HEAD = '[tool.shiptasks]\nproject = "shop"\n'
BLOCKS = [
    block.split("\n")
    for block in (Path(__file__).parent / "bad_input.txt").read_text(encoding="utf-8").rstrip("\n").split("\n\n")[1:]
]


def answer(root: Path, text: str, environment: str = "", **environ: str) -> UsageError:
    (root / "pyproject.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load(root, environment, environ=environ)
    assert caught.value.now == "nothing was run"
    return caught.value


@pytest.fixture(autouse=True)
def _in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("block", BLOCKS, ids=[block[0] for block in BLOCKS])
def test_each_wrong_line_is_answered_at_its_place(block: list[str], tmp_path: Path) -> None:
    written, place, what, *hint = block
    error = answer(tmp_path, f"{HEAD}{written}\n")
    assert error.what == what
    assert [f"hint: {error.hint}"] * bool(error.hint) == hint
    if place.startswith("column "):
        column = int(place.removeprefix("column "))
        assert error.details == ()
    else:
        column = place.index("^") + 1
        assert error.details == (f"3 | {written}", f"  | {place}")
    assert error.where == f"pyproject.toml:3:{column}"


def test_the_table_of_wrong_lines_is_long() -> None:
    assert len(BLOCKS) >= 120


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    error = answer(
        tmp_path,
        """\
[tool.shiptasks]
project = "shop"

[tool.shiptasks.services.api]
replicas = "2"
port = 8000
health = "/health"
routes = ["/api/"]

[tool.shiptasks.environments.local]
deploy.drain-timeout = 3

[tool.shiptasks.environments.staging]
hosts = ["deploy@staging.example.com"]
services.ap.replicas = 3
services.api.replicas = 33
""",
        "local",
    )
    assert (error.what, error.where) == ("4 problems in the configuration", "pyproject.toml")
    assert (
        "\n".join(error.details)
        == """\
pyproject.toml:5:12: services.api.replicas: expected a whole number from 1 to 32, not "2"
  5 | replicas = "2"
    |            ^^^
pyproject.toml:11:24: environments.local.deploy.drain-timeout: expected a duration such as "30s", "1m30s" or "500ms", \
not 3
  11 | deploy.drain-timeout = 3
     |                        ^
pyproject.toml:15:10: environments.staging.services.ap: an environment changes services that \
`[tool.shiptasks.services]` defines, and this is none of them; did you mean `api`?
  15 | services.ap.replicas = 3
     |          ^^
pyproject.toml:16:25: environments.staging.services.api.replicas: expected a whole number from 1 to 32, not 33
  16 | services.api.replicas = 33
     |                         ^^"""
    )


def test_two_services_do_not_claim_one_route(tmp_path: Path) -> None:
    service = 'port = 80\nhealth = "/"\nroutes ='
    error = answer(
        tmp_path,
        f'{HEAD}[tool.shiptasks.services.api]\n{service} ["/api"]\n'
        f'[tool.shiptasks.services.web]\n{service} ["/", "/api/"]\n',
    )
    assert error.what == 'services.web.routes[1]: the route "/api/" is already that of service `api`'
    assert error.where == "pyproject.toml:10:16"


def test_an_overlay_can_make_two_services_claim_one_route(tmp_path: Path) -> None:
    error = answer(
        tmp_path,
        f"""{HEAD}
services.api = {{ port = 80, health = "/", routes = ["/api"] }}
services.web = {{ port = 80, health = "/", routes = ["/"] }}
environments.staging.services.web.routes = ["/api"]
""",
    )
    assert error.where == "pyproject.toml:6:45"
    what = 'environments.staging.services.web.routes[0]: the route "/api" is already that of service `api`'
    assert error.what == what


def test_an_overlay_of_an_unknown_service_lists_those_that_exist(tmp_path: Path) -> None:
    error = answer(
        tmp_path, f"{HEAD}services = {{ web = {{}}, api = {{}} }}\nenvironments.prod.services.queue = {{}}\n"
    )
    assert error.hint == "the services are: api, web"


def test_a_missing_key_is_asked_for_in_its_table(tmp_path: Path) -> None:
    error = answer(tmp_path, '[tool.shiptasks.services.api]\n[tool.shiptasks]\nregistry = "a"\n')
    assert error.what == "project: the key `project` is missing"
    assert error.where == "pyproject.toml:2:7"
    assert error.details == ("2 | [tool.shiptasks]", "  |       ^^^^^^^^^")


def test_the_table_must_be_one_table(tmp_path: Path) -> None:
    error = answer(tmp_path, '[[tool.shiptasks]]\nproject = "shop"\n')
    assert (error.what, error.where) == (
        "tool.shiptasks: expected one table [tool.shiptasks]",
        "pyproject.toml:1:8",
    )
    assert answer(tmp_path, "tool.shiptasks = 3\n").where == "pyproject.toml:1:18"


def test_a_variable_is_named_where_it_is_wrong(tmp_path: Path) -> None:
    error = answer(tmp_path, HEAD, SHIPTASKS_REGISTRY="https://ghcr.io")
    assert error.where == "SHIPTASKS_REGISTRY"
    assert error.what.startswith('registry: expected a registry and optional path such as "ghcr.io/acme"')
    assert error.details == ()


@pytest.mark.parametrize(
    "text",
    [
        f'{HEAD}environments.x = {{ url = "https://a:hunter2@b", hots = 1 }}\n',
        f'{HEAD}registry = "a:hunter2@b"\n',
        f'{HEAD}registry = "a:hunter2@b"\ncolour = 1\n',
    ],
)
def test_a_secret_in_plain_text_is_refused_and_not_repeated(text: str, tmp_path: Path) -> None:
    error = answer(tmp_path, text)
    told = "\n".join((str(error), error.what, error.where, error.hint, *error.details))
    assert "must not hold credentials" in told
    assert "hunter2" not in told
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_long_line_is_cut_to_what_surrounds_the_place(tmp_path: Path) -> None:
    routes = ", ".join(f'"/{number}"' for number in range(1000))
    error = answer(tmp_path, f'{HEAD}services.api = {{ port = 1, health = "/", routes = [{routes}, 7] }}\n')
    assert all(len(line) <= 100 for line in error.details)
    line, marks = error.details
    assert line[marks.index("^")] == "7"


def test_a_very_wrong_file_is_answered_in_reasonable_length_and_time(tmp_path: Path) -> None:
    lines = "\n".join(f"wrong-{number} = {number}" for number in range(20_000))
    error = answer(tmp_path, f"{HEAD}{lines}\n")
    assert error.what == "20000 problems in the configuration"
    assert len(error.details) == 50 * 3 + 1
    assert error.details[-1] == "and 19950 more"


@pytest.mark.parametrize(
    "line",
    [
        'lint.push = "curl -H token:ghp_abcdefghijklmnopqrstuvwxyz0123456789 x"',
        'services.api.migrate = ["x", "glpat-abcdefghijklmnopqrst"]',
        'services.api.args.KEY = "AKIAABCDEFGHIJKLMNOP"',
        'services.api.args.NPM_TOKEN = "hunter2hunter2"',
        'services.api.args = { DB_PASSWORD = "hunter2" }',
        'lint.x = """-----BEGIN RSA PRIVATE KEY-----\nabc\n"""',
    ],
)
def test_what_looks_like_a_secret_is_refused_and_not_repeated(line: str, tmp_path: Path) -> None:
    error = answer(tmp_path, f"{HEAD}services.web.context = 'w'\n{line}\n")
    assert "looks like a secret" in error.what
    assert error.where.startswith("pyproject.toml:4:")
    assert "[tool.shiptasks.secrets]" in error.hint
    told = "\n".join((error.what, error.hint, *error.details))
    assert not any(part in told for part in ("ghp_", "glpat", "AKIA", "hunter2", "BEGIN"))


def test_what_only_sounds_like_a_secret_is_taken(tmp_path: Path) -> None:
    line = 'services.api.args = { PUBLIC_TOKEN = "x", API_TOKEN = "", TOKENIZER = "" }\n'
    (tmp_path / "pyproject.toml").write_text(HEAD + line)
    assert load(tmp_path, environ={}).services["api"].args["PUBLIC_TOKEN"] == "x"


ENVIRONMENTS = """\
services.api = { port = 80, health = "/", routes = ["/"] }
environments.one.hosts = ["deploy@web1"]
environments.two = { hosts = ["web2", "root@WEB1:22"], %s }
"""


def test_two_environments_do_not_share_a_folder_of_a_host(tmp_path: Path) -> None:
    error = answer(tmp_path, HEAD + ENVIRONMENTS % "proxy.port = 81")
    assert error.what == "environments.two.hosts[1]: WEB1:/srv/shop is already that of environment `one`"
    assert (error.where, error.hint) == ("pyproject.toml:5:39", "give one of them another host or another `path`")


def test_two_environments_do_not_share_a_port_of_a_host(tmp_path: Path) -> None:
    error = answer(tmp_path, HEAD + ENVIRONMENTS % 'path = "/srv/two"')
    assert error.what == "environments.two.hosts[1]: port 80 of WEB1 is already that of environment `one`"
    fine = HEAD + ENVIRONMENTS % 'path = "/srv/two", proxy.port = 81'
    (tmp_path / "pyproject.toml").write_text(fine)
    assert load(tmp_path, "two", environ={}).proxy.port == 81


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("[tool.shiptasks]\na = 1\na = 2\n", "tool.shiptasks.a is here already, in line 2", "3:1"),
        ("[tool.shiptasks]\n[tool.shiptasks]\n", "tool.shiptasks is here already, in line 1", "2:7"),
        ("[tool.shiptasks]\na = 1\na.b = 1\n", "tool.shiptasks.a is here already, in line 2", "3:3"),
        ("[tool.shiptasks]\na = '''\n'''\nb=1\na = [\n1]\n", "tool.shiptasks.a is here already, in line 2", "5:1"),
        ("a.b = 1\n[[a.b]]\n[tool.shiptasks]\n", "a.b is here already, in line 1", "2:5"),
        ("[tool.shiptasks]\na = yes\n", "expected a value: text stands in quotes", "2:5"),
        ('[tool.shiptasks]\na = "x\n', "the quote is not closed in this line", "2:7"),
        ("[tool.shiptasks]\na = 1 b = 2\n", "expected the end of the line here", "2:7"),
        ("[tool.shiptasks]\n\x00\n", "expected a key or a table", "2:1"),
    ],
)
def test_what_is_not_toml_is_told_in_plain_words(text: str, what: str, where: str, tmp_path: Path) -> None:
    error = answer(tmp_path, text)
    assert (error.what, error.where) == (f"not valid TOML: {what}", f"pyproject.toml:{where}")
