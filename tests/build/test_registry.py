"""The registry's API against a small real HTTP server: challenges, tokens, refusals."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from shiptasks.build.pullsize import platforms
from shiptasks.build.registry import Registry, Stored, _is_plain
from shiptasks.errors import Failed

MANIFEST = Stored("sha256:" + "a" * 64, "application/vnd.oci.image.manifest.v1+json", b'{"schemaVersion":2}')


@dataclass
class Server:
    """What the server was asked, and how it guards itself: open, basic, or bearer."""

    port: int = 0
    guard: str = "open"
    digest: str = MANIFEST.digest
    data: bytes = MANIFEST.data
    tags: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def registry(self, credentials: tuple[str, str] | None = None) -> Registry:
        return Registry(f"127.0.0.1:{self.port}", "acme/api", plain=True, credentials=credentials)


BASIC = "Basic " + base64.b64encode(b"me:secret").decode()


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, code: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(code)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def allowed(self) -> bool:
            given = self.headers.get("Authorization", "")
            if state.guard == "open" or given == {"basic": BASIC, "bearer": "Bearer t0ken"}[state.guard]:
                return True
            realm = f'Bearer realm="http://127.0.0.1:{state.port}/token",service="reg"'
            self.answer(401, WWW_Authenticate="Basic realm=x" if state.guard == "basic" else realm)
            return False

        def do_GET(self) -> None:
            state.asked.append(f"GET {self.path}")
            if self.path.startswith("/token"):
                ok = self.headers.get("Authorization") == BASIC
                self.answer(200 if ok else 401, b'{"token": "t0ken"}' if ok else b"")
            elif self.allowed():
                there = self.path.endswith(MANIFEST.digest)
                digest = {"Docker_Content_Digest": MANIFEST.digest, "Content_Type": MANIFEST.type}
                self.answer(200 if there else 404, state.data if there else b"", **digest)

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.allowed():
                state.tags[self.path.rpartition("/")[2]] = body
                self.answer(201, Docker_Content_Digest=state.digest)

        def log_message(self, *_arguments: object) -> None: ...

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    state.port = httpd.server_port
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield state
    httpd.shutdown()
    httpd.server_close()


@pytest.mark.parametrize("guard", ["open", "basic", "bearer"])
def test_a_manifest_gets_a_tag(server: Server, guard: str) -> None:
    server.guard = guard
    registry = server.registry(("me", "secret"))
    stored = registry.get(MANIFEST.digest)
    assert stored == MANIFEST
    registry.put("1.0.0", stored)
    assert server.tags == {"1.0.0": MANIFEST.data}
    if guard == "bearer":
        scopes = [path for path in server.asked if path.startswith("GET /token")]
        assert "scope=repository%3Aacme%2Fapi%3Apull%2Cpush" in scopes[-1]


def test_what_is_not_there_is_none(server: Server) -> None:
    assert server.registry().get("1.0.0") is None


@pytest.mark.parametrize("guard", ["basic", "bearer"])
@pytest.mark.parametrize("credentials", [None, ("me", "wrong-password")])
def test_a_refusal_names_what_to_type_and_never_the_credentials(
    server: Server, guard: str, credentials: tuple[str, str] | None
) -> None:
    server.guard = guard
    registry = server.registry(credentials)
    with pytest.raises(Failed) as caught:
        registry.put("1.0.0", MANIFEST)
    assert caught.value.what == f"the registry 127.0.0.1:{server.port} refuses acme/api:1.0.0: 401 Unauthorized"
    assert caught.value.hint == f"docker login 127.0.0.1:{server.port}"
    assert "wrong-password" not in f"{caught.value!r} {registry!r}"


def test_another_digest_is_an_error(server: Server) -> None:
    server.digest = "sha256:" + "b" * 64
    with pytest.raises(Failed, match="by another digest than was pushed"):
        server.registry().put("1.0.0", MANIFEST)


def test_nobody_there() -> None:
    with pytest.raises(Failed, match=r"the registry 127\.0\.0\.1:1 does not answer: ConnectionError"):
        Registry("127.0.0.1:1", "acme/api", plain=True).get("1.0.0")


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("127.0.0.1:5000", True),
        ("localhost:5000", True),
        ("10.1.2.3:5000", True),
        ("10.2.2.3", False),
        ("ghcr.io", False),
        ("configured.example", True),
    ],
)
def test_without_tls_only_where_the_engine_has_been_told_so(host: str, plain: bool) -> None:
    config = {
        "IndexConfigs": {"configured.example": {"Secure": False}, "docker.io": {"Secure": True}},
        "InsecureRegistryCIDRs": ["127.0.0.0/8", "10.1.0.0/16"],
    }
    assert _is_plain(host, config) is plain


def test_the_platforms_of_an_image_for_several(server: Server) -> None:
    index = {
        "manifests": [
            {"digest": "sha256:a", "platform": {"os": "linux", "architecture": "amd64"}},
            {"digest": "sha256:b", "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
            {"digest": "sha256:c", "platform": {"os": "unknown", "architecture": "unknown"}},
            "nonsense",
        ]
    }
    server.data = json.dumps(index).encode()
    assert platforms(server.registry(), MANIFEST.digest) == {"linux/amd64": "sha256:a", "linux/arm/v7": "sha256:b"}
    server.data = b"not json"
    assert platforms(server.registry(), MANIFEST.digest) == {}
    assert platforms(server.registry(), "sha256:" + "c" * 64) == {}
