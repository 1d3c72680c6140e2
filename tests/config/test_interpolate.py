"""`${VAR}` where it is documented, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.config.interpolate import WHERE, Wrong, expand
from shiptasks.config.keys import kind_at
from shiptasks.config.load import load
from shiptasks.config.model import Project
from shiptasks.errors import UsageError

HEAD = '[tool.shiptasks]\nproject = "shop"\n'


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("a/${X}/b", {"X": "1"}, "a/1/b"),
        ("${X}${Y}", {"X": "1", "Y": "2"}, "12"),
        ("${X:-d}", {}, "d"),
        ("${X:-d}", {"X": ""}, "d"),
        ("${X:-}", {}, ""),
        ("$${X}", {"X": "1"}, "${X}"),
        ("$$${X}", {"X": "1"}, "$${X}"),
        ("$X $", {"X": "1"}, "$X $"),
        ("${X}", {"X": "${Y}"}, "${Y}"),
    ],
)
def test_expand(text: str, environ: dict[str, str], expected: str) -> None:
    assert expand(text, environ, []) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${X}", "the variable X is not set: set it, or give a default, as in ${X:-text}"),
        ("${E}", "the variable E is empty: set it, or give a default, as in ${E:-text}"),
        ("${", "expected the name of a variable, as in ${NAME}; for the text itself write $${"),
        ("${}", "expected the name of a variable, as in ${NAME}; for the text itself write $${"),
        ("${1x}", "expected the name of a variable, as in ${NAME}; for the text itself write $${"),
        ("${X:?no}", "expected the name of a variable, as in ${NAME}; for the text itself write $${"),
        ("${X:-${Y}}", "expected the name of a variable, as in ${NAME}; for the text itself write $${"),
    ],
)
def test_what_cannot_be_expanded(text: str, said: str) -> None:
    with pytest.raises(Wrong) as caught:
        expand(text, {"E": ""}, [])
    assert str(caught.value) == said


@given(st.text())
def test_any_text_is_expanded_or_refused(text: str) -> None:
    try:
        assert "${" in text or expand(text, {}, []) == text
    except Wrong:
        assert "${" in text


def test_each_documented_place_is_a_key() -> None:
    for pattern in WHERE:
        path = tuple("x" if part == "*" else part for part in pattern)
        assert kind_at(Project, path) is not None, pattern


def write(root: Path, text: str) -> None:
    (root / "pyproject.toml").write_text(HEAD + text)


def test_documented_values_are_interpolated(tmp_path: Path) -> None:
    write(
        tmp_path,
        'registry = "ghcr.io/${OWNER}"\nservices.api.args.A = "${A:-none}"\nlint.x = "echo ${HOME}"\n'
        '[tool.shiptasks.environments.staging]\nhosts = ["${USER}@web1", "web2"]\n'
        'url = "https://${NAME}"\nenv-file = ".env.${NAME}"\n',
    )
    project = load(tmp_path, "staging", environ={"OWNER": "acme", "USER": "deploy", "NAME": "shop.example.com"})
    assert project.registry == "ghcr.io/acme"
    assert project.target.hosts == ("deploy@web1", "web2")
    assert (project.target.url, project.target.env_file) == ("https://shop.example.com", ".env.shop.example.com")
    assert project.services["api"].args["A"] == "none"
    assert project.lint["x"].command == "echo ${HOME}"  # bash's business


def test_an_unset_variable_is_told_at_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, 'environments.staging.hosts = ["a", "${WEB}"]\n')
    with pytest.raises(UsageError) as caught:
        load(tmp_path, environ={})
    error = caught.value
    assert error.what.startswith("environments.staging.hosts[1]: the variable WEB is not set: set it")
    assert error.where == "pyproject.toml:3:36"
    assert error.details == ('3 | environments.staging.hosts = ["a", "${WEB}"]', "  |" + " " * 36 + "^^^^^^^^")


def test_what_a_variable_holds_is_never_shown(tmp_path: Path) -> None:
    write(tmp_path, 'registry = "${R}"\n')
    with pytest.raises(UsageError) as caught:
        load(tmp_path, environ={"R": "NOT/Hunter2"})
    told = "\n".join((caught.value.what, caught.value.hint, *caught.value.details))
    assert "Hunter2" not in told
    assert caught.value.what.endswith(", and that is not what R holds")
