"""The policy of Dockerfiles: what each rule finds and leaves alone, what stops a build, and what is only told."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.build import hadolint, policy
from shiptasks.build.buildtools import installed
from shiptasks.build.dockerfile import parse
from shiptasks.build.plan import BuildPlan, plan
from shiptasks.build.policyrules import Subject, judge, sources
from shiptasks.build.sections import POLICY_RULES, Policy
from shiptasks.build.unclear import Unclear
from shiptasks.config.load import load
from shiptasks.errors import Failed, UsageError
from shiptasks.plugins.protocols import Finding
from shiptasks.run.events import Bus, Event, Notice, StepFinding, StepFinished
from tests.build.sample import make_project, write_sources

DEMO = Path(__file__).parents[2] / "examples" / "demo-repo"
GOOD = """\
FROM python:3.13-slim@sha256:{digest} AS build
RUN apt-get update && apt-get install -y gcc
COPY . .
FROM python:3.13-slim@sha256:{digest}
COPY --from=build /x /x
USER 10001
HEALTHCHECK CMD ["true"]
""".format(digest="0" * 64)


def found(text: str, **options: Any) -> list[str]:
    """`3 high D6-user` of each finding."""
    subject = Subject("Dockerfile", parse(text), **options)
    return [f"{each.line} {each.severity} {each.rule}" for each in judge(subject)]


def told(text: str, rule: str, **options: Any) -> list[str]:
    """`3 high message` of each finding of one rule."""
    every = judge(Subject("Dockerfile", parse(text), **options))
    return [f"{each.line} {each.severity} {each.message}" for each in every if each.rule == f"D6-{rule}"]


def test_nothing_to_find() -> None:
    assert found(GOOD) == []


STAGES = "use them in a stage of its own, and COPY --from it what they made"
USER = "add `USER 10001` at the end, an id and not a name"


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("user", "FROM a:1\nUSER root\n", f"2 high the container runs as root: {USER}"),
        ("user", "FROM a:1\nUSER 0:0\n", f"2 high the container runs as root: {USER}"),
        ("user", "FROM a:1\nUSER '0'\n", f"2 high the container runs as root: {USER}"),
        ("user", "FROM a:1\nUSER app\nRUN x\nUSER root\n", f"4 high the container runs as root: {USER}"),
        (
            "user",
            "FROM a:1\nRUN x\n",
            f"1 high no USER: the container runs as root, unless a:1 says otherwise: {USER}",
        ),
        (
            "user",
            "FROM a:1 AS b\nUSER app\nFROM a:1\nCOPY --from=b /x /x\n",
            f"3 high no USER: the container runs as root, unless a:1 says otherwise: {USER}",
        ),
        (
            "healthcheck",
            "FROM a:1\nUSER app\n",
            "1 medium no HEALTHCHECK: nothing tells when the container can work; add one here or in the Compose file",
        ),
        (
            "healthcheck",
            "FROM a:1\nHEALTHCHECK CMD x\nHEALTHCHECK none\n",
            "3 medium no HEALTHCHECK: nothing tells when the container can work; add one here or in the Compose file",
        ),
        (
            "latest",
            "FROM python\n",
            "1 medium python is another image tomorrow: name a version, such as python:1.2",
        ),
        (
            "latest",
            "FROM ghcr.io:443/acme/x:latest\n",
            "1 medium ghcr.io:443/acme/x:latest is another image tomorrow: name a version, such as"
            " ghcr.io:443/acme/x:1.2",
        ),
        (
            "latest",
            "ARG TAG=latest\nFROM a:$TAG\n",
            "2 medium a:latest is another image tomorrow: name a version, such as a:1.2",
        ),
        (
            "latest",
            "FROM a:1\nCOPY --from=tools:latest /x /x\n",
            "2 medium tools:latest is another image tomorrow: name a version, such as tools:1.2",
        ),
        (
            "latest",
            "FROM a:1\nRUN --mount=type=bind,from=tools,target=/t x\n",
            "2 medium tools is another image tomorrow: name a version, such as tools:1.2",
        ),
        ("digest", "FROM a:1\n", "1 info a:1 can become another image: a:1@sha256:… is always the same one"),
        (
            "slim",
            "FROM python:3.13\n",
            "1 low python:3.13 is the large form: python:3.13-slim has what most programs need",
        ),
        (
            "stages",
            "FROM golang:1.23\n",
            f"1 medium the image is built on golang:1.23 and has its compilers: {STAGES}",
        ),
        (
            "stages",
            "FROM mcr.microsoft.com/dotnet/sdk:8.0 AS x\nFROM x\n",
            f"1 medium the image is built on mcr.microsoft.com/dotnet/sdk:8.0 and has its compilers: {STAGES}",
        ),
        (
            "stages",
            "FROM a:1\nRUN apt-get update \\\n && apt-get install -y curl gcc=4:12 \\\n libpq-dev\n",
            f"2 medium build tools stay in the image (gcc, libpq-dev): {STAGES}",
        ),
        (
            "stages",
            "FROM a:1\nRUN <<EOF\napk add --no-cache make\nEOF\n",
            f"2 medium build tools stay in the image (make): {STAGES}",
        ),
    ],
)
def test_what_each_rule_finds(rule: str, text: str, expected: str) -> None:
    assert told(text, rule) == [expected]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("user", "FROM a:1\nUSER 10001:10001\n"),
        ("user", "FROM a:1\nUSER $APP_USER\n"),
        ("user", "FROM a:1 AS base\nUSER app\nFROM base\n"),
        ("user", "FROM gcr.io/distroless/python3:nonroot\n"),
        ("user", "FROM nginxinc/nginx-unprivileged:1.27\n"),
        ("healthcheck", "FROM a:1 AS base\nHEALTHCHECK CMD x\nFROM base\n"),
        ("latest", "FROM scratch\n"),
        ("latest", "FROM a:1 AS build\nFROM build\n"),
        ("latest", "FROM a:1 AS Build\nFROM b:1\nCOPY --from=build / /\nCOPY --from=0 / /\n"),
        ("latest", f"FROM python@sha256:{'0' * 64}\n"),
        ("digest", f"FROM python:3@sha256:{'0' * 64}\n"),
        ("latest", "FROM unused\nFROM a:1\n"),
        ("latest", "FROM a:1\nCOPY --from=$STAGE / /\n"),
        ("slim", "FROM python:3.13-alpine\n"),
        ("slim", "FROM acme/python:3.13\n"),
        ("slim", "FROM python:3.13 AS build\nFROM a:1\nCOPY --from=build / /\n"),
        ("stages", "FROM golang:1.23 AS build\nFROM scratch\nCOPY --from=build /x /x\n"),
        ("stages", "FROM a:1\nRUN apt-get install -y gcc && make && apt-get purge -y gcc\n"),
        ("stages", "FROM a:1\nRUN apk add --virtual .build gcc && make && apk del .build\n"),
        ("stages", "FROM a:1\nRUN pip install cmake && make install\n"),
        ("dockerignore", "FROM a:1\nRUN x\n"),
    ],
)
def test_what_each_rule_leaves_alone(rule: str, text: str) -> None:
    assert told(text, rule, has_ignore=False) == []


@pytest.mark.parametrize(
    ("copied", "expected"),
    [
        (".", "2 medium"),
        ("./", "2 medium"),
        ("/", "2 medium"),
        ("src", "2 low"),
    ],
)
def test_without_a_dockerignore(copied: str, expected: str) -> None:
    (message,) = told(f"FROM a:1\nCOPY {copied} /x\n", "dockerignore", has_ignore=False)
    assert message.startswith(expected)
    assert message.endswith("write one that begins with `*`, then `!` for what is needed")
    assert told(f"FROM a:1\nCOPY {copied} /x\n", "dockerignore", has_ignore=True) == []


@pytest.mark.parametrize(
    ("copied", "paths"),
    [
        ("COPY a b /x", ["a", "b"]),
        ('COPY ["a b", "c", "/x"]', ["a b", "c"]),
        ("ADD --chown=1:1 ./a/../b /x", ["b"]),
        ("COPY ../../a /x", ["a"]),
        ("ADD https://example.com/x.tgz git@github.com:a/b.git c /x", ["c"]),
        ("COPY --from=build a /x", []),
        ("COPY <<EOF /x\ntext\nEOF", []),
    ],
)
def test_what_is_copied_from_the_context(copied: str, paths: list[str]) -> None:
    subject = Subject("Dockerfile", parse(f"FROM a:1\n{copied}\n"))
    assert [path for _, path in sources(subject)] == paths


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("FROM a:1\nCOPY there /x\n", []),
        ("FROM a:1\nCOPY there gone /x\nADD away /y\n", [2, 3]),
        ("FROM a:1\nCOPY *.txt $DIR/x ${D}? /x/\n", []),
        ("FROM a:1 AS unused\nCOPY gone /x\nFROM a:1\n", []),
        ("FROM a:1 AS used\nCOPY gone /x\nFROM a:1\nCOPY --from=used /x /x\n", [2]),
        ("FROM a:1 AS used\nCOPY gone /x\nFROM a:1\nRUN --mount=from=used,target=/u x\n", [2]),
        ("FROM a:1 AS base\nCOPY gone /x\nFROM base\n", [2]),
    ],
)
def test_paths_that_are_missing(text: str, lines: list[int]) -> None:
    every = told(text, "path", is_there=lambda path: path == "there")
    assert [int(each.split()[0]) for each in every] == lines
    assert all(" high " in each for each in every)


def test_only_the_stage_that_is_built_is_judged() -> None:
    text = "FROM a AS first\nUSER app\nHEALTHCHECK CMD x\nFROM b\n"
    assert found(text, target="first") == ["1 medium D6-latest"]
    with pytest.raises(Unclear, match="no stage other"):
        found(text, target="other")


def test_arguments_of_the_build_are_filled_in() -> None:
    text = "ARG TAG=latest\nFROM a:$TAG\nUSER 1\nHEALTHCHECK CMD x\n"
    assert found(text, args={"TAG": "1"}) == ["2 info D6-digest"]


def test_a_dockerfile_in_another_language_is_not_judged() -> None:
    assert found("# syntax=acme/buildpack:1\nFROM x\n") == []
    assert found("# syntax=docker/dockerfile:1\nFROM scratch\nUSER 1\n") == ["2 medium D6-healthcheck"]


@pytest.mark.parametrize(
    ("command", "tools"),
    [
        ("apt-get -y install --no-install-recommends gcc g++", ("gcc", "g++")),
        ("apt install make; make", ("make",)),
        ("apk --no-cache add build-base", ("build-base",)),
        ("dnf install -y openssl-devel", ("openssl-devel",)),
        ("apt-get install curl && echo gcc", ()),
        ("echo apt-get", ()),
        ("", ()),
    ],
)
def test_build_tools(command: str, tools: tuple[str, ...]) -> None:
    assert installed(command) == tools


@given(
    st.lists(st.sampled_from([*GOOD.split(), "\n", "<<E", "E", "[", '"', "$", "${X", "--from=", "--mount=", "\\\n"]))
)
def test_any_dockerfile_is_judged_or_unclear(parts: list[str]) -> None:
    with suppress(Unclear):
        found(" ".join(parts), has_ignore=False, is_there=lambda _: False)


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)

    @property
    def notices(self) -> list[str]:
        return [f"{event.level}: {event.text}" for event in self.events if isinstance(event, Notice)]

    @property
    def findings(self) -> list[tuple[str, str, bool]]:
        return [(each.tool, each.rule, each.blocking) for each in self.events if isinstance(each, StepFinding)]

    @property
    def end(self) -> tuple[str, str]:
        (event,) = (each for each in self.events if isinstance(each, StepFinished))
        return event.outcome, event.detail


def planned(root: Path, dockerfile: str = "") -> BuildPlan:
    write_sources(root)
    for path in (root / "api" / "Dockerfile", root / "docker" / "web.Dockerfile"):
        path.write_text(dockerfile or GOOD)
    for folder in ("api", "web"):
        (root / folder / ".dockerignore").write_text("*\n")
    return plan(make_project(root), "1.0.0", "")


def settings(**keys: Any) -> Policy:
    return Policy.model_validate({"hadolint": False, **keys})


def test_a_build_without_findings_says_so(tmp_path: Path) -> None:
    heard = Heard()
    assert policy.enforce(planned(tmp_path), settings(fail="low"), Bus(heard)) == ()
    assert (heard.end, heard.notices) == (("ok", "no findings"), [])


ROOT = "FROM scratch\nUSER root\nHEALTHCHECK CMD x\n"


def test_by_default_findings_are_told_and_stop_nothing(tmp_path: Path) -> None:
    heard = Heard()
    policy.enforce(planned(tmp_path, ROOT), settings(), Bus(heard))
    assert heard.end == ("warned", "2 high")
    assert heard.notices == [
        f"warning: api/Dockerfile:2: high: D6-user: the container runs as root: {USER}",
        f"warning: docker/web.Dockerfile:2: high: D6-user: the container runs as root: {USER}",
    ]
    assert heard.findings == [("policy", "D6-user", False)] * 2


@pytest.mark.parametrize(("fail", "stopped"), [("high", True), ("medium", True), ("low", True), ("never", False)])
def test_what_stops_the_build_is_configured(tmp_path: Path, fail: str, stopped: bool) -> None:
    heard, made = Heard(), planned(tmp_path, ROOT)
    if not stopped:
        policy.enforce(made, settings(fail=fail), Bus(heard))
        return
    with pytest.raises(Failed) as caught:
        policy.enforce(made, settings(fail=fail), Bus(heard))
    error = caught.value
    assert (error.what, error.exit_code) == ("the policy of Dockerfiles stops the build: 2 findings", 1)
    assert (error.where, error.now) == ("api/Dockerfile:2", "nothing was built")
    assert heard.findings == [("policy", "D6-user", True)] * 2
    assert heard.end == ("failed", "2 high")
    assert heard.notices == []


def test_findings_below_the_limit_do_not_stop_it(tmp_path: Path) -> None:
    heard = Heard()
    medium = "FROM scratch\nUSER 1\n"
    policy.enforce(planned(tmp_path, medium), settings(fail="high"), Bus(heard))
    assert heard.end == ("warned", "2 medium")
    low = "FROM python:3\nUSER 1\nHEALTHCHECK CMD x\n"
    heard = Heard()
    policy.enforce(planned(tmp_path, low), settings(fail="medium"), Bus(heard))
    assert (heard.end, heard.notices) == (("ok", "2 low"), [])


def test_a_missing_path_always_stops_it(tmp_path: Path) -> None:
    made = planned(tmp_path, GOOD.replace("COPY . .", "COPY nowhere /x"))
    made = replace(made, targets=made.targets[:1])
    with pytest.raises(Failed) as caught:
        policy.enforce(made, settings(), Bus())
    assert caught.value.where == "api/Dockerfile:3"
    assert caught.value.what == (
        "the policy of Dockerfiles stops the build: api/nowhere is not there: correct the path, or `context` of the"
        " service, which it is relative to"
    )


def test_a_rule_is_ignored_for_a_reason(tmp_path: Path) -> None:
    heard = Heard()
    ignore = {"D6-user": "it binds port 25"}
    assert policy.enforce(planned(tmp_path, ROOT), settings(fail="low", ignore=ignore), Bus(heard)) == ()
    assert heard.end == ("ok", "no findings")


def test_two_services_of_one_dockerfile_have_each_finding_once(tmp_path: Path) -> None:
    made = planned(tmp_path, ROOT)
    same = replace(made, targets=tuple(replace(one, dockerfile=made.targets[0].dockerfile) for one in made.targets))
    assert [each.file for each in policy.findings(same, settings())] == ["api/Dockerfile"]


@pytest.mark.parametrize("text", ["", "USER root\n", "FROM a:1\nCOPY <<EOF /x\n", "FROM ${X\n", "\0\xff"])
def test_what_cannot_be_read_is_left_to_the_builder(tmp_path: Path, text: str) -> None:
    heard = Heard()
    assert policy.enforce(planned(tmp_path, text or "\n"), settings(fail="low"), Bus(heard)) == ()


def test_the_ignore_file_of_one_dockerfile_counts(tmp_path: Path) -> None:
    made = planned(tmp_path)
    (tmp_path / "web" / ".dockerignore").unlink()
    (finding,) = policy.findings(made, settings())
    assert (finding.file, finding.rule) == ("docker/web.Dockerfile", "D6-dockerignore")
    (tmp_path / "docker" / "web.Dockerfile.dockerignore").write_text("*\n")
    assert policy.findings(made, settings()) == ()


def test_paths_behind_links_are_left_to_the_builder(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("/elsewhere")
    there = {path: policy.is_there(tmp_path, path) for path in ("real", "real/x", "link", "link/x", "gone", ".")}
    assert there == {"real": True, "real/x": False, "link": True, "link/x": True, "gone": False, ".": True}


def test_of_many_findings_the_first_are_told(tmp_path: Path) -> None:
    heard = Heard()
    lines = "".join(f"COPY --from=x{number} / /\n" for number in range(20))
    policy.enforce(planned(tmp_path, GOOD + lines), settings(), Bus(heard))
    assert len(heard.notices) == 11
    assert heard.notices[-1] == "warning: 30 more findings of the policy: inv log --last"
    assert len(heard.findings) == 40


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"fail": "always"}, "fail"),
        ({"ignore": {"D6-helthcheck": "x"}}, "did you mean `D6-healthcheck`?"),
        ({"ignore": {"D6-user": " "}}, "expected the reason"),
        ({"ignore": ["D6-user"]}, "ignore"),
    ],
)
def test_wrong_tables_are_refused(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        Policy.model_validate(table)
    assert said in str(caught.value)


def test_every_rule_can_be_ignored_by_its_name() -> None:
    bad = "FROM python\nFROM node:22\nRUN apt-get install gcc\nCOPY . /x\nCOPY gone /x\nCOPY --from=0 / /\n"
    every = judge(Subject("Dockerfile", parse(bad), has_ignore=False, is_there=lambda path: path == "."))
    assert {each.rule for each in every} == set(POLICY_RULES)


def test_rules_of_hadolint_can_be_ignored() -> None:
    assert Policy.model_validate({"ignore": {"DL3008": "x", "SC2086": "y"}}).ignore["DL3008"] == "x"


def test_the_demo_has_nothing_above_low() -> None:
    made = plan(load(DEMO, environ={}), "1.0.0", "")
    assert len(made.targets) == 3
    assert {each.severity for each in policy.findings(made, settings())} <= {"info", "low"}


needs_hadolint = pytest.mark.skipif(
    not (Path(sys.executable).parent / "hadolint").exists() and not shutil.which("hadolint"), reason="no hadolint here"
)


@pytest.fixture
def with_hadolint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@needs_hadolint
@pytest.mark.usefixtures("with_hadolint")
def test_hadolint_finds_nothing_above_low_in_the_demo() -> None:
    made = plan(load(DEMO, environ={}), "1.0.0", "")
    heard = Heard()
    policy.enforce(made, Policy(fail="low"), Bus(heard))
    assert heard.notices == []


@needs_hadolint
@pytest.mark.usefixtures("with_hadolint")
def test_hadolint_adds_what_our_rules_do_not_look_at(tmp_path: Path) -> None:
    made = planned(tmp_path, GOOD.replace("COPY . .", "ADD . .\nRUN cd /tmp\nUSER root"))
    heard = Heard()
    policy.enforce(made, Policy(), Bus(heard))
    api = {(each.tool, each.rule) for each in heard.events if isinstance(each, StepFinding) and "api" in each.file}
    assert ("hadolint", "DL3020") in api
    assert ("hadolint", "DL3003") in api
    assert not {rule for _, rule in api} & hadolint.SAID_BY_US
    told = [text for text in heard.notices if "api/" in text]
    assert told == ["warning: api/Dockerfile:3: high: DL3020: Use COPY instead of ADD for files and folders"]
    heard = Heard()
    with pytest.raises(Failed):
        policy.enforce(made, Policy(fail="high"), Bus(heard))
    reason = {"DL3020": "it is an archive"}
    policy.enforce(made, Policy.model_validate({"fail": "high", "ignore": reason}), Bus(heard))


def test_without_hadolint_our_own_rules_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    heard = Heard()
    policy.enforce(planned(tmp_path, ROOT), Policy(), Bus(heard))
    assert heard.findings == [("policy", "D6-user", False)] * 2


@pytest.mark.parametrize("script", ["exit 3", "echo no json", "echo '[{}]'"])
def test_a_hadolint_that_does_not_work_is_said_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    tool = tmp_path / "bin" / "hadolint"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    heard = Heard()
    policy.enforce(planned(tmp_path), Policy(), Bus(heard))
    assert len(heard.notices) == 1
    assert heard.notices[0].endswith("the policy goes by its own rules")


def test_what_hadolint_cannot_read_is_left_to_the_builder() -> None:
    entry = '[{"code": "DL1000", "level": "error", "file": "D", "line": 2, "column": 1, "message": "unexpected"}]'
    assert hadolint.read(entry) == ()
    other = entry.replace("DL1000", "DL4006").replace("error", "warning")
    assert hadolint.read(other) == (Finding("D", 2, "DL4006", "unexpected", "medium", 1),)


def test_paths_of_the_plan_are_looked_at_before(tmp_path: Path) -> None:
    from shiptasks.build.plan import check_sources

    made = planned(tmp_path)
    (tmp_path / "api" / "Dockerfile").unlink()
    with pytest.raises(UsageError):
        check_sources(make_project(tmp_path), made)
    assert policy.findings(made, settings()) == ()
