"""Caches, builders, secrets and logins with the real engine, registry, and the engine of a host as a remote builder.

BuildKit's own daemon is not among Debian's packages, and its image cannot be had without Docker Hub. So the remote
builder is the BuildKit in the engine of a host, behind a socket that speaks what such a daemon speaks.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from shiptasks.build.bakelog import RawJson
from shiptasks.build.builder import (
    Capabilities,
    Wanted,
    builder_option,
    capabilities,
    creation,
    refuse_impossible,
)
from shiptasks.build.cache import Cache, choose, present, rotate
from shiptasks.build.engine import preflight
from shiptasks.build.login import login
from shiptasks.build.progress import Tracker
from shiptasks.build.secrets import attest_of, check_given, secrets_of
from shiptasks.build.sections import Build, BuildCache, Builder
from shiptasks.config.load import load
from shiptasks.config.secret import Secret
from shiptasks.errors import Failed, Refused
from shiptasks.run.events import Bus
from tests.lab.proc import run
from tests.lab.registry import Registry
from tests.lab.sshhost import Host

pytestmark = pytest.mark.usefixtures("lab_images")

SLOW = 1.5
"""Seconds that one instruction takes without a cache."""
DOCKERFILE = """\
FROM python:3.13-slim
RUN sleep {slow}; head -c 1000000 /dev/urandom > /random; echo {salt}
RUN sha256sum /random > /sum
COPY file /file
"""


def write(root: Path) -> None:
    """Sources that nobody has built before."""
    salt = secrets.token_hex(8)
    (root / "Dockerfile").write_text(DOCKERFILE.format(slow=SLOW, salt=salt))
    (root / "file").write_text(salt)


def bake(root: Path, settings: Builder, **target: Any) -> tuple[int, int]:
    """Build one target by one bake; how many of its instructions were cached, and how many there were."""
    file = root / "docker-bake.json"
    file.write_text(json.dumps({"target": {"api": {"context": str(root), **target}}}))
    argv = ["docker", "buildx", "bake", f"--file={file}", "--progress=rawjson", *builder_option(settings), "api"]
    env = {**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    done = subprocess.run(argv, cwd=root, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    reader, tracker = RawJson(), Tracker(Bus(), ["api"], early=False)
    for line in (done.stdout + done.stderr).splitlines():
        for record in reader.feed(line):
            tracker.take(record)
    tracker.close("ok")
    _, cached, total = tracker.summary("api")
    return cached, total


def cache_for(settings: Any, builder: Capabilities, image: str, branch: str = "main", *, push: bool = True) -> Cache:
    return choose(
        BuildCache.model_validate(settings),
        event_branch=branch,
        default_branch="main",
        last_release="",
        project="shop",
        service="api",
        platform="",
        image=image,
        push=push,
        environ={},
        builder=builder,
    )


def entries(cache: Cache, *, plain_http: bool = False) -> dict[str, list[str]]:
    """The cache for bake. BuildKit takes the lab's registry for one over HTTPS unless it is told, since engines trust
    it by its network, and BuildKit knows single registries only."""
    more = ",registry.insecure=true" if plain_http else ""
    return {"cache-from": [one + more for one in cache.imports], "cache-to": [one + more for one in cache.exports]}


@pytest.fixture
def remote(lab_hosts: Callable[[int], list[Host]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Builder]:
    """Settings of a remote builder whose cache is empty: the engine of host1."""
    host = lab_hosts(1)[0]
    host.docker("builder", "prune", "-af")
    host.load_images(["python:3.13-slim"])
    folder = Path(f"/tmp/lab-{secrets.token_hex(4)}")
    folder.mkdir()
    monkeypatch.setenv("BUILDX_CONFIG", str(folder))
    with relay(folder / "buildkit.sock", host.docker_host):
        yield Builder(name="lab-remote", driver="remote", endpoint=f"unix://{folder}/buildkit.sock")
    run(["rm", "-rf", str(folder)])


@contextlib.contextmanager
def relay(path: Path, docker_host: str) -> Iterator[None]:
    """Listen at `path` and lead each connection to the BuildKit of the engine at `docker_host`."""
    argv = ["docker", "buildx", "dial-stdio", "--builder=default"]
    children: list[subprocess.Popen[bytes]] = []
    # The builder that is reached must not be looked up among those that the test makes.
    env = {name: value for name, value in os.environ.items() if name != "BUILDX_CONFIG"} | {"DOCKER_HOST": docker_host}

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        children.append(
                            subprocess.Popen(argv, stdin=connection.fileno(), stdout=connection.fileno(), env=env)
                        )

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for child in children:
                child.kill()
                child.wait()


def created(settings: Builder, root: Path) -> Capabilities:
    """The builder, made as `inv build` makes it."""
    engine = preflight(root)
    assert capabilities(root, engine, settings) is None
    creation(settings).apply(root, Bus())
    found = capabilities(root, engine, settings)
    assert found is not None
    return found


def test_what_the_engines_own_builder_can_do(tmp_path: Path) -> None:
    engine = preflight(tmp_path)
    found = capabilities(tmp_path, engine, Builder())
    assert found is not None
    assert (found.driver, found.containerd_store) == ("docker", engine.containerd_store)
    assert found.native.startswith("linux/")
    refuse_impossible(Wanted((found.native,), load=True), found)
    with pytest.raises(Refused, match="cannot do what is asked"):
        refuse_impossible(Wanted(("linux/mips64",)), found)


def test_the_cache_travels_through_the_registry_to_an_empty_builder(
    tmp_path: Path, lab_registry: Registry, remote: Builder
) -> None:
    write(tmp_path)
    image = f"{lab_registry.name}/labcache-{secrets.token_hex(4)}/shop-api"
    here = capabilities(tmp_path, preflight(tmp_path), Builder(name="default"))
    assert here is not None
    cache = cache_for("auto", here, image)
    assert cache.kind == "registry"
    push = {"tags": [f"{image}:1.0.0"], "output": ["type=image,push=true,registry.insecure=true"]}
    assert bake(tmp_path, Builder(name="default"), **push, **entries(cache, plain_http=True)) == (0, 3)

    there = created(remote, tmp_path)
    assert (there.driver, there.name) == ("remote", "lab-remote")
    # Another branch: it has no cache of its own yet, and reads that of the default branch.
    feature = cache_for("auto", there, image, "feature/`id`")
    began = time.monotonic()
    assert bake(tmp_path, remote, output=["type=cacheonly"], **entries(feature, plain_http=True)) == (3, 3)
    assert time.monotonic() - began < 60
    # A change at the end costs the last instruction only, and the branch's own cache is written from there.
    (tmp_path / "file").write_text("changed")
    assert bake(tmp_path, remote, **push, **entries(feature, plain_http=True)) == (2, 3)
    tags = run(["curl", "-s", f"http://{lab_registry.name}/v2/{image.partition('/')[2]}/tags/list"]).stdout
    refs = sorted(json.loads(tags)["tags"])
    scope = "cache-shop-api-" + there.native.replace("/", "-")
    assert refs[0] == "1.0.0"
    assert refs[1].startswith(f"{scope}.branch.feature-id-")
    assert refs[2] == f"{scope}.branch.main"


def test_without_the_cache_the_empty_builder_does_everything(tmp_path: Path, remote: Builder) -> None:
    write(tmp_path)
    assert bake(tmp_path, Builder(name="default"), output=["type=cacheonly"]) == (0, 3)
    created(remote, tmp_path)
    assert bake(tmp_path, remote, output=["type=cacheonly"]) == (0, 3)


def test_a_cache_in_a_folder_reaches_another_builder_and_does_not_grow(tmp_path: Path, remote: Builder) -> None:
    here = capabilities(tmp_path, preflight(tmp_path), Builder(name="default"))
    assert here is not None
    sizes = []
    cache = cache_for("local", here, "shop-api", push=False)
    assert cache.folder is not None
    for _ in range(3):
        write(tmp_path)
        # The cache is not part of the sources.
        (tmp_path / ".dockerignore").write_text(".shiptasks\n")
        assert bake(tmp_path, Builder(name="default"), output=["type=cacheonly"], **entries(present(cache, tmp_path)))
        rotate(cache, tmp_path, ok=True)
        sizes.append(sum(path.stat().st_size for path in (tmp_path / cache.folder).rglob("*") if path.is_file()))
    # The random data alone is a megabyte each time.
    assert max(sizes) - min(sizes) < 500_000
    assert [path.name for path in (tmp_path / cache.folder).parent.iterdir()] == [cache.folder.name]
    created(remote, tmp_path)
    read = present(replace(cache, exports=()), tmp_path)
    assert len(read.imports) == 1
    assert bake(tmp_path, remote, output=["type=cacheonly"], **entries(read)) == (3, 3)


def inv(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "invoke", *words]
    return subprocess.run(argv, cwd=root, capture_output=True, text=True, timeout=240)


def test_inv_build_makes_the_builder_that_is_missing_and_keeps_its_cache(tmp_path: Path, remote: Builder) -> None:
    write(tmp_path)
    name = f"labcache-{secrets.token_hex(4)}"
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.shiptasks]\nproject = "{name}"\nservices.api.context = "."\nbuild.cache = "local"\n'
        f'[tool.shiptasks.build.builder]\nname = "lab-remote"\ndriver = "remote"\nendpoint = "{remote.endpoint}"\n'
    )
    (tmp_path / "tasks.py").write_text("import shiptasks\n\nns = shiptasks.namespace()\n")
    (tmp_path / ".dockerignore").write_text(".*\n*.toml\n*.py\n__pycache__\n")
    for command in (("git", "init", "-q", "-b", "main"), ("git", "add", "file")):
        run(["env", "-C", str(tmp_path), *command])
    run(["env", "-C", str(tmp_path), "git", "-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x"])
    try:
        # The first build makes the builder, whose platform is only known afterwards: the second one names its cache.
        for version in ("1.0.0", "1.0.1"):
            (tmp_path / "file").write_text(version)
            done = inv(tmp_path, "build", f"--version={version}", "--format=json")
            assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-3000:]
            assert "lab-remote" in run(["docker", "buildx", "ls"]).stdout
        for cache in (tmp_path / ".shiptasks" / "cache" / "buildkit").iterdir():
            assert [path.name for path in cache.iterdir()] == ["branch.main"]
        # The same with a builder that has forgotten everything, and a change in the last instruction.
        run(["docker", "buildx", "prune", "--builder=lab-remote", "-af"])
        (tmp_path / "file").write_text("changed")
        second = inv(tmp_path, "build", "--version=1.0.2", "--format=json")
        assert second.returncode == 0, second.stderr[-3000:] + second.stdout[-3000:]
        (image,) = json.loads(second.stdout)["result"]["images"]
        assert (image["cached_steps"], image["steps"]) == (2, 3)
        assert run(["docker", "image", "inspect", f"{name}-api:1.0.2"]).returncode == 0
    finally:
        run(["docker", "image", "rm", "-f", *(f"{name}-api:1.0.{patch}" for patch in range(3))], check=False)


def test_a_cache_that_cannot_be_written_does_not_fail_the_build(tmp_path: Path) -> None:
    write(tmp_path)
    here = capabilities(tmp_path, preflight(tmp_path), Builder())
    assert here is not None
    cache = cache_for({"type": "registry", "ref": "127.0.0.1:9/nobody/cache"}, here, "shop-api")
    assert bake(tmp_path, Builder(), output=["type=cacheonly"], **entries(cache)) == (0, 3)


def test_a_remote_builder_that_is_gone(tmp_path: Path, remote: Builder) -> None:
    settings = Builder(name="lab-gone", driver="remote", endpoint=f"unix://{tmp_path}/none.sock")
    with pytest.raises(Failed, match="the builder lab-gone could not be created"):
        creation(settings).apply(tmp_path, Bus())
    assert "lab-gone" not in run(["docker", "buildx", "ls"]).stdout


def test_bake_reads_every_entry(tmp_path: Path) -> None:
    builder = Capabilities("b", "remote", platforms=("linux/amd64",), buildx=(0, 21))
    kinds: tuple[Any, ...] = (
        "registry",
        "local",
        "inline",
        {"type": "s3", "bucket": "b", "region": "r", "prefix": "a,b"},
        {"type": "azblob", "bucket": "b", "account-url": "https://x.example.com"},
    )
    attest = list(attest_of(Build.model_validate({"provenance": "max", "sbom": True})))
    for settings in kinds:
        cache = cache_for(settings, builder, "ghcr.io/acme/shop-api")
        target = {"context": ".", **entries(cache), "attest": attest}
        (tmp_path / "bake.json").write_text(json.dumps({"target": {"api": target}}))
        printed = run(["docker", "buildx", "bake", f"--file={tmp_path}/bake.json", "--print", "api"]).stdout
        read = json.loads(printed)["target"]["api"]
        assert len(read["cache-from"]) == len(cache.imports)
        assert len(read["cache-to"]) == 1
        assert len(read["attest"]) == 2


def test_a_secret_reaches_its_step_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = f"value-{secrets.token_hex(8)}"
    (tmp_path / "pyproject.toml").write_text(
        '[tool.shiptasks]\nproject = "shop"\n[tool.shiptasks.services.api.build-secrets]\n'
        'npm = { env = "LAB_SECRET" }\nrc = { file = "rc" }\n'
    )
    (tmp_path / "rc").write_text(value)
    (tmp_path / ".dockerignore").write_text("*\n")
    (tmp_path / "Dockerfile").write_text(
        f"FROM python:3.13-slim\nRUN echo {secrets.token_hex(8)}\n"
        "RUN --mount=type=secret,id=npm --mount=type=secret,id=rc "
        "cmp /run/secrets/npm /run/secrets/rc && wc -c < /run/secrets/npm > /length\n"
    )
    monkeypatch.setenv("LAB_SECRET", value)
    project = load(tmp_path, environ={})
    check_given(project, ["api"], os.environ)
    tag = f"labsecret-{secrets.token_hex(4)}:1"
    bake(tmp_path, Builder(), tags=[tag], output=["type=docker"], secret=list(secrets_of(project, "api")))
    try:
        assert value not in (tmp_path / "docker-bake.json").read_text()
        assert value not in run(["docker", "history", "--no-trunc", tag]).stdout
        assert value not in run(["docker", "image", "inspect", tag]).stdout
        length = run(["docker", "run", "--rm", "--network=none", tag, "cat", "/length"]).stdout
        assert int(length) == len(value)
        files = run(
            ["docker", "run", "--rm", "--network=none", tag, "sh", "-c", "ls -A /run/secrets 2>&1"], check=False
        )
        assert "npm" not in files.stdout
    finally:
        run(["docker", "image", "rm", "-f", tag])


@pytest.fixture
def guarded() -> Iterator[str]:
    """A registry, as far as a login goes, that takes one password."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = "Basic " + base64.b64encode(b"bot:right-password").decode()
            self.send_response(200 if self.headers.get("Authorization") == wanted else 401)
            self.send_header("WWW-Authenticate", 'Basic realm="lab"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_logging_in(guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    login(f"{guarded}/acme", "bot", Secret("right-password"), Bus())
    assert guarded in json.loads((tmp_path / "config.json").read_text())["auths"]


def test_a_wrong_password_is_not_echoed(guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(Failed, match="does not take the user name or password of bot") as caught:
        login(f"{guarded}/acme", "bot", Secret("wrong-password"), Bus())
    said = " ".join((caught.value.what, caught.value.hint, *caught.value.details))
    assert "wrong-password" not in said
    assert base64.b64encode(b"bot:wrong-password").decode() not in said


def test_nobody_answers_the_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(Failed, match=r"the login to 127\.0\.0\.1:9 failed"):
        login("127.0.0.1:9", "bot", Secret("any-password"), Bus())
