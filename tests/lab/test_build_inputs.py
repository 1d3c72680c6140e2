"""What BuildKit receives, and when it makes another image: our list and our hash are held against it."""

from __future__ import annotations

import io
import json
import secrets
import socket
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from shiptasks.build import dockerignore
from shiptasks.build.bases import Base, look
from shiptasks.build.contents import Contents
from shiptasks.build.inputs import Facts, of
from shiptasks.build.unclear import Unclear
from tests.build.test_dockerignore import ROWS
from tests.build.test_inputs import CHANGES, SAME
from tests.lab.engine import EngineInfo
from tests.lab.proc import run
from tests.lab.registry import Registry
from tests.lab.test_build import registry_digest

DRAWN = 60
RECIPE = "FROM scratch\nCOPY . /\n"


@dataclass(frozen=True)
class Case:
    """A context: the ignore file of the context, the Dockerfile's own if any, files (None: a folder), links."""

    ignore: str
    own: str | None = None
    files: dict[str, str | None] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def make(self, root: Path) -> Facts:
        context = root / "context"
        context.mkdir(parents=True)
        for path, content in self.files.items():
            with suppress(OSError):  # what another one stands in the way of is not there
                (context / path).parent.mkdir(parents=True, exist_ok=True)
                if content is None:
                    (context / path).mkdir(exist_ok=True)
                else:
                    (context / path).write_text(content)
        for path, target in self.links.items():
            with suppress(OSError):
                (context / path).symlink_to(target)
        with suppress(OSError):
            (context / ".dockerignore").write_text(self.ignore)
        (root / "Dockerfile").write_text(RECIPE)
        if self.own is not None:
            (root / "Dockerfile.dockerignore").write_text(self.own)
        return Facts(context, root / "Dockerfile")


def bake(contexts: dict[str, Facts], folder: Path) -> dict[str, dict[str, tuple[object, ...]]]:
    """What is in the image of each context after one bake of all: by path its type, mode, time, target and content."""
    tars = {name: folder / f"{name}.tar" for name in contexts}
    file = folder / "bake.json"
    targets = {
        name: {
            "context": str(facts.context),
            "dockerfile": str(facts.dockerfile),
            "output": [f"type=tar,dest={tars[name]}"],
        }
        for name, facts in contexts.items()
    }
    file.write_text(json.dumps({"group": {"default": {"targets": list(targets)}}, "target": targets}))
    run(["docker", "buildx", "bake", f"--file={file}", "--progress=plain"], timeout=240)
    return {name: listed(tar) for name, tar in tars.items()}


def listed(path: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
        for member in tar:
            name = member.name.removeprefix("./").rstrip("/")
            body = tar.extractfile(member) if member.isreg() else None
            content = body.read() if body else b""
            if name not in ("", "."):
                found[name] = (member.type, member.mode, member.mtime, member.linkname, content)
    return found


NAMES = st.sampled_from(["a", "b", "ab", ".a", "a.md", "c é", "[a]", "!a", "*", "a-b"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
PARTS = st.sampled_from(
    ["a", "b", "ab", "*", "**", "?", "a*", "*a", "**a", "a**", "*.md", ".*", "[ab]", "[^a]", "\\*", "c é"]
)
PATTERNS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "!", "! "]),
    st.sampled_from(["", "", "/", "./"]),
    st.lists(PARTS, min_size=1, max_size=3).map("/".join),
    st.sampled_from(["", "", "/", " "]),
)
IGNORES = st.lists(PATTERNS | st.sampled_from(["# a", "", "*", "**"]), max_size=5).map("\n".join)
CASES = st.builds(
    Case,
    IGNORES,
    st.none() | st.none() | IGNORES,
    st.dictionaries(PATHS, st.none() | st.sampled_from(["", "x"]), min_size=3, max_size=9),
    st.dictionaries(PATHS, st.sampled_from(["a", "../b", "/nowhere"]), max_size=1),
)

SIGNS = "ab.-!^]{}*?+()$|\\"
NASTY = st.builds(
    Case,
    st.lists(st.text(alphabet=SIGNS + "**/[", min_size=1, max_size=7), min_size=1, max_size=3).map("\n".join),
    st.none(),
    st.dictionaries(
        st.lists(
            st.text(alphabet=SIGNS, min_size=1, max_size=2).filter(lambda name: name not in (".", "..")),
            min_size=1,
            max_size=3,
        ).map("/".join),
        st.none() | st.just("x"),
        min_size=3,
        max_size=8,
    ),
)
"""Patterns that hardly anybody writes: many of them nobody takes."""


def drawn(count: int, strategy: st.SearchStrategy[Case]) -> list[Case]:
    found: list[Case] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


def by_hand() -> list[Case]:
    cases = []
    for text, out, kept in ROWS:
        paths = [path.rstrip("/") for path in (*out, *kept)]
        folders = {path for path in paths for other in paths if other.startswith(f"{path}/")}
        cases.append(Case(text, files={path: None if path in folders else "x" for path in paths}))
    files: dict[str, str | None] = {"a": "x", "b": "x", "Dockerfile": "x", "f/g/h": "x", "f/i": "x", "empty": None}
    cases += [
        Case("a", own="b", files=files),
        Case("a", own="# only a comment", files=files),
        Case("Dockerfile\n.dockerignore", files=files),
        Case("*", files=files),
        Case("*\n!f/g", files=files),
        Case("f\n!f/i", files=files, links={"f/link": "i", "link": "f"}),
        Case("link", files=files, links={"link": "f", "other": "../.."}),
    ]
    return cases


def test_our_list_is_what_buildkit_receives(lab_engine: EngineInfo, tmp_path: Path) -> None:
    every = [*by_hand(), *drawn(DRAWN, CASES), *drawn(DRAWN, NASTY)]
    cases = {f"c{number}": case for number, case in enumerate(every)}
    contexts = {name: case.make(tmp_path / name) for name, case in cases.items()}
    ours = {}
    for name, facts in contexts.items():
        with suppress(Unclear):
            ignore = dockerignore.read(facts.context, facts.dockerfile)
            ours[name] = {path for path, _ in dockerignore.walk(facts.context, ignore)}
    assert len(ours) > 0.7 * len(cases), "nearly all but the nasty ones are understood"
    received = bake({name: contexts[name] for name in ours}, tmp_path)
    wrong = {
        name: (cases[name], ours[name] ^ set(received[name])) for name in ours if ours[name] != set(received[name])
    }
    assert wrong == {}


@pytest.mark.parametrize("line", ["[", "a\\", "!"])
def test_what_we_do_not_take_buildkit_does_not_take(lab_engine: EngineInfo, tmp_path: Path, line: str) -> None:
    facts = Case(line, files={"a": "x"}).make(tmp_path / "case")
    with pytest.raises(Unclear):
        dockerignore.read(facts.context, facts.dockerfile)
    argv = ["docker", "buildx", "build", f"--file={facts.dockerfile}", f"--output=type=tar,dest={tmp_path}/x.tar"]
    assert run([*argv, str(facts.context)], check=False).returncode != 0


def test_the_hash_is_another_whenever_the_image_is(lab_engine: EngineInfo, tmp_path: Path) -> None:
    changes = {**CHANGES, **SAME}
    names = {f"c{number}": name for number, name in enumerate(changes)}
    salt = secrets.token_hex(8)
    contexts = {}
    for key in names:
        root = tmp_path / key
        files: dict[str, str | None] = {
            "src/app.py": "app", "src/deep/run": "run", "notes.md": "notes", "empty": None, "salt": f"{salt} {key}",
        }  # fmt: skip
        facts = Case("*.md\n", files=files, links={"src/link": "app.py"}).make(root)
        facts.context.rename(root / "api")
        contexts[key] = Facts(root / "api", facts.dockerfile)
    contents = Contents(tmp_path / "files.json")
    before, hashes = bake(contexts, tmp_path), {key: of(facts, {}, contents).hash for key, facts in contexts.items()}
    assert all(hashes.values())
    time.sleep(1.1)  # an image that is made again has other times
    for key, name in names.items():
        changes[name](contexts[key].context)
    again = {key: of(facts, {}, contents).hash for key, facts in contexts.items()}
    after = bake(contexts, tmp_path)
    another_image = {name for key, name in names.items() if before[key] != after[key]}
    another_hash = {name for key, name in names.items() if hashes[key] != again[key]}
    assert another_image <= another_hash, "a lie"
    assert another_hash == set(CHANGES)
    # A builder that has the context already does not notice when only the mode of a folder in it changes; a pipe may
    # not be copied; and nothing follows from a comment.
    assert another_hash - another_image <= {"permissions of a folder", "pipe", "Dockerfile"}


def test_digests_are_those_of_the_registry(lab_registry: Registry, lab_images: dict[str, str]) -> None:
    repository = f"base-{secrets.token_hex(4)}"
    name = f"{lab_registry.loopback}/{repository}:1"
    seen = set[str]()
    for source in list(lab_images)[:2]:
        run(["docker", "tag", source, name])
        run(["docker", "push", "--quiet", name], timeout=120)
        run(["docker", "image", "rm", name])
        base = look([name], ("engine", "registry"))[name]
        assert base == Base(name, registry_digest(lab_registry, repository, "1"))
        seen.add(base.digest)
    assert len(seen) == 2, "the name stands for another image now"


def test_what_the_engine_has_comes_first_where_the_builder_takes_it(lab_images: dict[str, str]) -> None:
    name = next(iter(lab_images))
    image_id = run(["docker", "image", "inspect", "-f", "{{.Id}}", name]).stdout.strip()
    platform = run(["docker", "image", "inspect", "-f", "{{.Os}}/{{.Architecture}}", name]).stdout.strip()
    assert look([name], ("engine",))[name].digest == image_id
    assert look([name], ("engine",), [platform])[name].digest == image_id
    assert look([name], ("engine",), ["linux/s390x"])[name] == Base(name, "", "the engine does not have it")


def test_a_registry_that_does_not_have_it_or_does_not_answer(lab_registry: Registry) -> None:
    missing, closed = f"{lab_registry.loopback}/nobody/has:1", "127.0.0.1:1/a:1"
    found = look([missing, closed], ("engine", "registry"))
    assert found[missing] == Base(missing, "", "the registry does not have it, or not for this login")
    assert found[closed] == Base(closed, "", "the registry does not answer")


@contextmanager
def silent() -> Iterator[str]:
    """An address where connections are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_several_that_never_answer_are_given_up_side_by_side(lab_engine: EngineInfo) -> None:
    with silent() as address:
        names = [f"{address}/a:{number}" for number in range(6)]
        began = time.monotonic()
        found = look(names, ("registry",), timeout=2)
        assert time.monotonic() - began < 6
    assert {base.why for base in found.values()} == {"the registry did not answer within 2 seconds"}
