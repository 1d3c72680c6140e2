from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shiptasks.build import contents as contents_module
from shiptasks.build.bases import Base, look, places
from shiptasks.build.contents import Contents
from shiptasks.build.inputs import Facts, Inputs, explain, images, of, of_all, unchanged

PINNED = "python@sha256:" + "a" * 64
DOCKERFILE = f"FROM {PINNED}\nCOPY . /\n"


@dataclass(frozen=True)
class Last:
    inputs: str | None


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    """A context with a bit of everything; the Dockerfile is outside of it."""
    root = tmp_path / "api"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "src" / "app.py").write_text("app")
    (root / "src" / "deep" / "run").write_text("run")
    (root / "src" / "link").symlink_to("app.py")
    (root / "notes.md").write_text("notes")
    (root / ".dockerignore").write_text("*.md\n")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    return Facts(root, tmp_path / "Dockerfile")


def look_at(facts: Facts) -> Inputs:
    """The inputs, asked with a cache that has been warm for a while and with none: they must agree."""
    kept = facts.context.parent / "cache" / "files.json"
    bases = look(images(facts), ("registry",))
    first = of(facts, bases, Contents(facts.context.parent / "none" / secrets.token_hex(4)))
    contents = Contents(kept)
    second = of(facts, bases, contents)
    contents.save()
    assert first == second
    return first


def hash_of(facts: Facts) -> str:
    found = look_at(facts)
    assert found.unclear == ""
    assert found.hash.startswith("sha256:")
    return found.hash


def test_everything_that_is_received_is_in_it(facts: Facts) -> None:
    found = look_at(facts)
    assert set(found.files) == {
        ".dockerignore", "empty", "src", "src/app.py", "src/deep", "src/deep/run", "src/link",
    }  # fmt: skip
    assert set(found.parts) == {
        "format",
        "stage",
        "platforms",
        "secrets",
        "ssh",
        "attest",
        "Dockerfile",
        f"image {PINNED}",
    }
    assert found.files["src/app.py"].startswith("file 644 ")
    assert found.files["empty"] == "folder 755"
    assert Inputs.from_json(found.to_json()) == found


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda root: (root / "src/app.py").write_text("App"),
    "content of the same size and time": lambda root: with_times_of(root / "src/app.py", "apq"),
    "executable": lambda root: (root / "src/app.py").chmod(0o755),
    "permissions": lambda root: (root / "src/app.py").chmod(0o600),
    "permissions of a folder": lambda root: (root / "src").chmod(0o700),
    "new file": lambda root: (root / "src/new").write_text(""),
    "new empty folder": lambda root: (root / "src/new").mkdir(),
    "file gone": lambda root: (root / "src/app.py").unlink(),
    "empty folder gone": lambda root: (root / "empty").rmdir(),
    "renamed": lambda root: (root / "src/app.py").rename(root / "src/apq.py"),
    "swapped": lambda root: swap(root / "src/app.py", root / "src/deep/run"),
    "link elsewhere": lambda root: relink(root / "src/link", "deep/run"),
    "link elsewhere with the same content": lambda root: relink(root / "src/link", "./app.py"),
    "link became a file": lambda root: instead(root / "src/link", Path.touch),
    "file became a folder": lambda root: instead(root / "src/app.py", Path.mkdir),
    "pipe": lambda root: os.mkfifo(root / "src/pipe"),
    "taken back": lambda root: (root / ".dockerignore").write_text("*.md\n!notes.md\n"),
    "left out": lambda root: (root / ".dockerignore").write_text("*.md\n.dockerignore\nsrc/app.py\n"),
    "Dockerfile": lambda root: append(root.parent / "Dockerfile", "# more\n"),
    "own ignore file": lambda root: (root.parent / "Dockerfile.dockerignore").write_text("src\n"),
}


def with_times_of(path: Path, text: str) -> None:
    status = path.stat()
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def instead(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


@pytest.fixture(params=["settled", "just written"])
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are remembered at once, or not before their clock has ticked."""
    if request.param == "settled":
        monkeypatch.setattr(contents_module, "_TICK", -(10**12))


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_the_image_changes_the_hash(facts: Facts, clock: None, change: str) -> None:
    before = hash_of(facts)
    assert hash_of(facts) == before
    time.sleep(0.02)  # the clock of the file system ticks
    CHANGES[change](facts.context)
    assert hash_of(facts) != before


SAME: dict[str, Callable[[Path], object]] = {
    "touched": lambda root: os.utime(root / "src/app.py", (1, 1)),
    "folder touched": lambda root: os.utime(root / "src", (1, 1)),
    "written again": lambda root: (root / "src/app.py").write_text("app"),
    "another inode": lambda root: ((root / "copy").write_text("app"), (root / "copy").replace(root / "src/app.py")),
    "hard link elsewhere": lambda root: os.link(root / "src/app.py", root.parent / "other"),
    "what is left out": lambda root: (root / "notes.md").write_text("more"),
    "what is left out is new": lambda root: (root / "more.md").write_text("more"),
    "outside of the context": lambda root: (root.parent / "other").write_text(""),
}


@pytest.mark.parametrize("change", SAME)
def test_what_does_not_change_the_image_does_not_change_the_hash(facts: Facts, clock: None, change: str) -> None:
    before = hash_of(facts)
    SAME[change](facts.context)
    assert hash_of(facts) == before


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="this system's Python knows no extended attributes")
def test_extended_attributes_count(facts: Facts) -> None:
    before = hash_of(facts)
    try:
        os.setxattr(facts.context / "src/app.py", "user.shiptasks", b"1")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    assert hash_of(facts) != before


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"stage": "final"}, "stage"),
        ({"args": {"A": "1"}}, "argument A"),
        ({"labels": {"a": "1"}}, "label a"),
        ({"platforms": ("linux/amd64",)}, "platforms"),
        ({"secrets": ("npm",)}, "secrets"),
        ({"ssh": ("default",)}, "ssh"),
        ({"attest": ("type=sbom",)}, "attest"),
        ({"annotations": {"index:a": "1"}}, "annotation index:a"),
    ],
)
def test_settings_count(facts: Facts, change: dict[str, object], part: str) -> None:
    facts.dockerfile.write_text(f"FROM {PINNED} AS final\nCOPY . /\n")
    before = look_at(facts)
    after = look_at(replace(facts, **change))  # type: ignore[arg-type]
    assert after.hash != before.hash
    assert explain(before, after) == (f"{part} {'has changed' if part in before.parts else 'is new'}",)


def test_the_order_of_settings_does_not_count(facts: Facts) -> None:
    one = replace(facts, secrets=("a", "b"), platforms=("linux/amd64", "linux/arm64"), args={"A": "1", "B": "2"})
    other = replace(facts, secrets=("b", "a"), platforms=("linux/arm64", "linux/amd64"), args={"B": "2", "A": "1"})
    assert hash_of(one) == hash_of(other)


def test_settings_do_not_run_into_one_another(facts: Facts) -> None:
    assert hash_of(replace(facts, args={"A": "1"})) != hash_of(replace(facts, labels={"A": "1"}))


def test_what_changes_with_every_commit_counts_only_where_the_image_takes_it(facts: Facts) -> None:
    def at(version: str) -> Facts:
        labels = {f"org.opencontainers.image.{name}": version for name in ("created", "revision", "version")}
        annotations = {f"index:{name}": value for name, value in labels.items()}
        return replace(facts, args={"VERSION": version}, labels=labels, annotations=annotations)

    assert hash_of(at("1.0.0")) == hash_of(at("2.0.0"))
    facts.dockerfile.write_text(f"FROM {PINNED}\nARG VERSION\nCOPY . /\n")
    assert hash_of(at("1.0.0")) != hash_of(at("2.0.0"))


def test_values_of_arguments_are_not_kept(facts: Facts) -> None:
    assert "hunter2" not in str(look_at(replace(facts, args={"A": "hunter2"})).to_json())


def test_the_image_that_it_begins_with_counts(facts: Facts, tmp_path: Path) -> None:
    facts.dockerfile.write_text("FROM python:3.13-slim\nCOPY . /\n")
    contents = Contents(tmp_path / "files.json")
    assert images(facts) == ("python:3.13-slim",)
    one, other = (of(facts, {"python:3.13-slim": Base("", digest)}, contents) for digest in ("sha256:1", "sha256:2"))
    assert one.hash != other.hash
    assert explain(one, other) == ("image python:3.13-slim has changed",)


def test_names_of_images_are_filled_in_for_every_platform(facts: Facts) -> None:
    facts.dockerfile.write_text("FROM base:${TARGETARCH}${TARGETVARIANT}\n")
    platforms = ("linux/amd64", "linux/arm/v7")
    assert images(replace(facts, platforms=platforms)) == ("base:amd64", "base:armv7")


@pytest.mark.parametrize(
    ("dockerfile", "why"),
    [
        ("FROM a:1\n", "which image a:1 stands for is not known: the registry does not answer"),
        ("FROM a:${TARGETARCH}\n", "only the builder knows the $TARGETARCH that the Dockerfile begins from"),
        ("# syntax=acme/own:1\nFROM scratch\n", "acme/own:1 reads the Dockerfile in its own way"),
        ("FROM scratch\nADD https://x.io/a /\n", "only the builder can say whether https://x.io/a has changed"),
        ("RUN true\n", "the Dockerfile has no FROM"),
        (b"FROM scratch\n# \xff\n", "the Dockerfile is not UTF-8"),
        (None, "the Dockerfile cannot be read: No such file or directory"),
    ],
)
def test_what_is_not_certain_has_no_hash(
    facts: Facts, tmp_path: Path, dockerfile: str | bytes | None, why: str
) -> None:
    facts.dockerfile.unlink()
    if dockerfile is not None:
        facts.dockerfile.write_bytes(dockerfile.encode() if isinstance(dockerfile, str) else dockerfile)
    found = of(facts, {"a:1": Base("a:1", "", "the registry does not answer")}, Contents(tmp_path / "files.json"))
    assert (found.hash, found.unclear) == ("", why)
    assert unchanged(found, Last("sha256:1"), image_is_there=True) == (False, why)


def test_an_ignore_file_that_is_not_understood_has_no_hash(facts: Facts) -> None:
    (facts.context / ".dockerignore").write_text("[")
    assert look_at(facts).unclear == "the pattern '[' of the ignore file is none that is understood here"


def test_a_file_that_cannot_be_read_has_no_hash(facts: Facts, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse(path: str, *arguments: int) -> int:
        if str(path).endswith("app.py"):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", refuse)  # root may read everything
    assert look_at(facts).unclear == "'src/app.py' cannot be read: Permission denied"


def test_unchanged_only_when_all_is_known_and_the_image_is_there(facts: Facts) -> None:
    now = look_at(facts)
    same = Last(now.hash)
    assert unchanged(now, same, image_is_there=True) == (True, "its inputs are those of its last image")
    assert unchanged(now, same, image_is_there=False) == (False, "its last image is no longer there")
    assert unchanged(now, None, image_is_there=True) == (False, "it has not been built yet")
    for unknown in ("", None):
        why = "what the last image was made of is not known"
        assert unchanged(now, Last(unknown), image_is_there=True) == (False, why)
    assert unchanged(now, Last("sha256:1"), image_is_there=True) == (False, "its inputs have changed")


def test_what_changed_is_told_when_the_inputs_were_kept(facts: Facts) -> None:
    before = look_at(facts)
    (facts.context / "src/app.py").write_text("App")
    (facts.context / "src/deep/run").unlink()
    (facts.context / "src/new").write_text("")
    facts.dockerfile.write_text(DOCKERFILE + "\n")
    now = look_at(facts)
    told = "Dockerfile has changed, src/app.py has changed, src/deep/run is gone, src/new is new"
    assert unchanged(now, Last(before.hash), True, before) == (False, told)
    assert unchanged(now, Last("sha256:1"), True, before) == (False, "its inputs have changed"), "of another build"
    for number in range(5):
        (facts.context / f"a{number}").write_text("")
    assert explain(now, look_at(facts)) == ("a0 is new", "a1 is new", "a2 is new", "2 more files")
    assert explain(now, now) == ()


@pytest.mark.parametrize("raw", [{}, {"hash": "", "parts": 1, "files": {}, "unclear": ""}])
def test_kept_inputs_that_are_none(raw: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not the inputs of a build"):
        Inputs.from_json(raw)


NAMES = st.sampled_from(["a", "b", "c.md", "d é"])
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.tuples(st.binary(max_size=3), st.booleans()), max_size=6
)


def make(root: Path, files: dict[str, tuple[bytes, bool]]) -> dict[str, tuple[bytes, bool]]:
    """Write the files; those that another one's folder stands in the way of are left out. What was written."""
    written = {}
    for path, (content, is_executable) in files.items():
        with contextlib.suppress(OSError):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
            (root / path).chmod(0o755 if is_executable else 0o644)
            written[path] = (content, is_executable)
    return written


@given(TREES, TREES)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_two_trees_have_one_hash_exactly_when_they_are_the_same(
    tmp_path: Path, one: dict[str, tuple[bytes, bool]], other: dict[str, tuple[bytes, bool]]
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    hashes, seen = [], []
    for files in (one, other):
        root = tmp_path / secrets.token_hex(6)
        root.mkdir()
        written = make(root, files)
        folders = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_dir()}
        seen.append((written, folders))
        found = of(Facts(root, tmp_path / "Dockerfile"), {}, Contents(tmp_path / "files.json"))
        hashes.append(found.hash)
    assert (hashes[0] == hashes[1]) == (seen[0] == seen[1])


def test_several_are_asked_for_their_images_once_and_remembered(facts: Facts, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("FROM a:1\nCOPY --from=b:1 / /\n")
    broken = replace(facts, dockerfile=tmp_path / "none")
    asked: list[list[str]] = []

    def ask(names: object) -> dict[str, Base]:
        asked.append(list(names))  # type: ignore[call-overload]
        return {name: Base(name, f"sha256:{name}") for name in asked[-1]}

    every = {"api": facts, "web": replace(facts, dockerfile=tmp_path / "other"), "bad": broken}
    found = of_all(every, ask, Contents(tmp_path / "files.json"))
    assert asked == [["a:1", "b:1", PINNED]]
    assert [bool(found[name].hash) for name in every] == [True, True, False]


def test_twenty_services_of_500_files_take_well_under_a_second_the_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents_module, "_TICK", -(10**12))
    every = {}
    for service in range(20):
        root = tmp_path / f"s{service}"
        for folder in range(10):
            (root / f"f{folder}").mkdir(parents=True)
            for number in range(50):
                (root / f"f{folder}" / f"{number}.py").write_text(f"{service} {folder} {number}")
        (root / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
        (root / ".dockerignore").write_text("**/*.md\n.git\nnode_modules\n**/__pycache__\n!f1/1.py\n")
        every[str(service)] = Facts(root, root / "Dockerfile")
    first = of_all(every, lambda names: {}, Contents(tmp_path / "files.json"))
    reads: list[str] = []
    monkeypatch.setattr(contents_module, "_hash", lambda path, now: reads.append(path))
    began = time.process_time()
    second = of_all(every, lambda names: {}, Contents(tmp_path / "files.json"))
    spent = time.process_time() - began
    assert second == first
    assert reads == []
    assert spent < 0.9, f"{spent:.2f} s of this processor"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 0, "files": {}}', '{"format": 1, "files": {"a": [1]}}'])
def test_what_is_remembered_is_not_believed_when_it_is_broken(facts: Facts, text: str) -> None:
    before = hash_of(facts)
    kept = facts.context.parent / "cache" / "files.json"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(text)
    assert hash_of(facts) == before


def test_pinned_images_need_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert look([PINNED], ("registry",)) == {PINNED: Base(PINNED, "sha256:" + "a" * 64)}
    assert look([], ("registry",)) == {}


def test_without_an_engine_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    found = look([PINNED, "a:1", "b:1"], ("engine", "registry"))
    assert found[PINNED].digest
    assert found["a:1"] == Base("a:1", "", "the Docker engine does not answer")
    assert found["b:1"].digest == ""


def test_where_builders_look() -> None:
    assert places("docker", containerd_store=False) == ("engine", "registry")
    assert places("docker", containerd_store=True) == ("registry", "engine")
    assert places("docker-container", containerd_store=False) == ("registry",)
