"""Endpoints against real servers on this machine: each way in which they can answer wrongly, or not at all."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shiptasks.verify import endpoints
from shiptasks.verify.endpoints import Endpoint, version_in
from shiptasks.verify.http import LIMIT, CannotAsk, get
from shiptasks.verify.model import Facts, Verdict

Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that gives these answers in turn, each (status, body); returns its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(*answers: tuple[int, str], location: str = "", certificate: Path | None = None) -> str:
        given = list(answers)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = given.pop(0) if len(given) > 1 else given[0]
                self.send_response(status)
                if location and 300 <= status < 400:
                    self.send_header("Location", location)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}/health"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def look(url: str, times: int = 1, versions: tuple[str, ...] = ("1.1.0",)) -> Verdict:
    return Endpoint(url, "api", versions, times).look(Facts())


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_deployed_version_answers(serve: Serve) -> None:
    verdict = look(serve((200, '{"status": "ok", "version": "1.1.0"}')), times=3)
    assert verdict.status == "ok"
    assert verdict.detail.startswith("200 in ")
    assert verdict.detail.endswith(" ms, version 1.1.0")


def test_another_version_answers(serve: Serve) -> None:
    verdict = look(serve((200, '{"version": "1.0.0"}')))
    assert (verdict.status, verdict.detail) == ("fail", "serves version 1.0.0, deployed is 1.1.0")


def test_one_replica_of_another_version_is_found(serve: Serve) -> None:
    new, old = (200, '{"version": "1.1.0"}'), (200, '{"version": "1.0.0"}')
    verdict = look(serve(new, old, new, new), times=4)
    assert verdict.status == "fail"
    assert verdict.evidence == ("1 of 4 answers: version 1.0.0", "3 of 4 answers: version 1.1.0")


@pytest.mark.parametrize("body", ["", "ok", "[]", '{"version": 3}', '{"version": ""}', '{"status": "ok"}'])
def test_no_version_is_a_warning(serve: Serve, body: str) -> None:
    verdict = look(serve((200, body)))
    assert verdict.status == "warn"
    assert verdict.detail.endswith("serves no version: unverifiable")


@pytest.mark.parametrize("status", [204, 404, 500, 503])
def test_any_other_status_fails_and_shows_what_it_said(serve: Serve, status: int) -> None:
    verdict = look(serve((status, "" if status == 204 else "database is away\n")))
    assert (verdict.status, verdict.detail) == ("fail", f"answers {status}")
    assert verdict.evidence == (() if status == 204 else ("it said: database is away",))


def test_one_failing_answer_among_good_ones_fails(serve: Serve) -> None:
    good = (200, '{"version": "1.1.0"}')
    verdict = look(serve(good, (502, "bad gateway"), good), times=3)
    assert (verdict.status, verdict.evidence) == ("fail", ("request 2 of 3", "it said: bad gateway"))


def test_nothing_listens() -> None:
    verdict = look(f"http://127.0.0.1:{closed_port()}/health")
    assert (verdict.status, verdict.detail) == ("fail", "connection refused: nothing listens there")


def test_no_answer_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        verdict = look(f"http://127.0.0.1:{silent.getsockname()[1]}/health")
    assert (verdict.status, verdict.detail) == ("fail", "no answer within 0.2 seconds")


def test_not_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail ESMTP\r\n")

        thread = threading.Thread(target=babble, daemon=True)
        thread.start()
        verdict = look(f"http://127.0.0.1:{server.getsockname()[1]}/health")
        thread.join(5)
    assert verdict.status == "fail"
    assert verdict.detail.startswith("not an HTTP answer")


def test_an_unknown_name_is_no_verdict() -> None:
    with pytest.raises(CannotAsk, match=r"the name shop\.invalid is not known on this machine"):
        look("http://shop.invalid/health")


def test_a_redirect_on_the_same_host_is_followed(serve: Serve) -> None:
    url = serve((302, ""), (200, '{"version": "1.1.0"}'), location="/elsewhere")
    assert look(url).status == "ok"


def test_a_redirect_to_another_host_is_not_followed(serve: Serve) -> None:
    other = serve((200, '{"version": "1.1.0"}')).replace("127.0.0.1", "localhost")
    verdict = look(serve((302, ""), location=other))
    assert verdict.status == "fail"
    assert verdict.detail.startswith("302 leads to another host: http://localhost:")


def test_a_redirect_that_never_ends(serve: Serve) -> None:
    assert look(serve((302, ""), location="/health")).status == "fail"


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    assert look(serve((200, '{"version": "1.1.0"}'))).status == "ok"


def test_an_endless_body_is_not_read_to_its_end(serve: Serve) -> None:
    assert len(get(serve((200, "x" * (LIMIT * 2))), timeout=5).body) == LIMIT


def test_a_certificate_that_nobody_vouches_for_fails(serve: Serve, tmp_path: Path) -> None:
    verdict = look(serve((200, '{"version": "1.1.0"}'), certificate=self_signed(tmp_path)))
    assert verdict.status == "fail"
    assert verdict.detail.startswith("the certificate is not valid: self")


def test_a_certificate_that_is_vouched_for_is_accepted(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert look(serve((200, '{"version": "1.1.0"}'), certificate=certificate)).status == "ok"


def test_https_where_there_is_no_tls(serve: Serve) -> None:
    verdict = look(serve((200, "")).replace("http:", "https:"))
    assert verdict.status == "fail"
    assert verdict.detail.startswith("no TLS")


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"version": "1', b"null", b'"1.1.0"'])
def test_a_body_that_is_no_version(body: bytes) -> None:
    assert version_in(body) is None


def self_signed(folder: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that nobody else signed, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
