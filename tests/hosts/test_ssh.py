"""What only SSH has: host keys, logins, jump hosts, servers that refuse; each against a real sshd."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from shiptasks.errors import Refused
from shiptasks.hosts import HostError, StepTimeout
from tests.hosts.conftest import Serve
from tests.hosts.sshd import Sshd, keygen
from tests.hosts.watch import alive, eventually


def _fingerprint(public: Path) -> str:
    return subprocess.run(["ssh-keygen", "-lf", public], capture_output=True, text=True, check=True).stdout.split()[1]


def _refused(server: Sshd, known_hosts: str) -> Refused:
    """The refusal, after making sure that nobody tried to log in."""
    before = server.log
    host = server.host(known_hosts)
    with pytest.raises(Refused) as caught:
        host.session()
    new = server.log[len(before) :]
    assert eventually(lambda: "Connection from" in server.log[len(before) :])
    assert "userauth" not in new
    assert "publickey" not in new
    assert caught.value.exit_code == 3
    assert caught.value.now == "no login was attempted, nothing ran there"
    assert caught.value.where == server.address
    return caught.value


def _works(server: Sshd, known_hosts: str) -> bool:
    host = server.host(known_hosts)
    try:
        with host.session() as session:
            return session.run("echo on").stdout == "on\n"
    finally:
        host.close()


def test_an_unknown_host_is_refused_with_the_line_to_add(sshd: Sshd, tmp_path: Path) -> None:
    error = _refused(sshd, "")
    assert "is not known" in error.what
    fingerprint = _fingerprint(sshd.folder / "host_ed25519.pub")
    assert f"offered: ssh-ed25519 {fingerprint}" in error.details
    line = error.details[-1]
    assert str(sshd.folder / "known_hosts") in error.hint
    assert line + "\n" == sshd.known()
    assert _works(sshd, line)


def test_the_same_key_under_another_name_is_unknown(sshd: Sshd) -> None:
    for name in ("127.0.0.1", "[127.0.0.1]:1", "localhost"):
        assert "is not known" in _refused(sshd, sshd.known(name=name)).what


def test_a_changed_key_is_refused_with_its_place(sshd: Sshd, tmp_path: Path) -> None:
    other = keygen(tmp_path / "other", "ed25519")
    old = " ".join(other.with_suffix(".pub").read_text().split()[:2])
    error = _refused(sshd, f"# one line before\n[127.0.0.1]:{sshd.port} {old}\n")
    assert "has changed" in error.what
    place = f"{sshd.folder / 'known_hosts'}:2"
    assert f"known: ssh-ed25519 {_fingerprint(other.with_suffix('.pub'))} in {place}" in error.details
    assert "ssh-keygen -R" in error.hint


def test_a_revoked_key_is_refused_even_where_it_is_listed(sshd: Sshd) -> None:
    error = _refused(sshd, sshd.known() + f"@revoked * {sshd.public('ed25519')}\n")
    assert "is revoked" in error.what
    assert f"revoked in: {sshd.folder / 'known_hosts'}:2" in error.details


def test_hashed_names_and_wildcards_are_honoured(sshd: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "hashed"
    file.write_text(sshd.known())
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    assert "127.0.0.1" not in file.read_text()
    assert _works(sshd, file.read_text())
    assert _works(sshd, sshd.known(name="[127.0.0.*]:*"))


def test_a_host_that_is_known_by_another_type_of_key_is_asked_for_that(sshd: Sshd) -> None:
    assert _works(sshd, sshd.known("rsa"))


def test_turning_the_check_off_in_the_ssh_configuration_changes_nothing(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n StrictHostKeyChecking no\n")
    with pytest.raises(Refused, match="is not known"):
        sshd.host("", config=str(config)).session()


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_kinds_of_keys(sshd: Sshd, kind: str) -> None:
    host = sshd.host(key=str(sshd.folder / f"id_{kind}"))
    assert host.session().run("echo on").stdout == "on\n"
    host.close()


def test_a_key_that_is_not_accepted_is_named(sshd: Sshd, tmp_path: Path) -> None:
    key = keygen(tmp_path / "stranger", "ed25519")
    with pytest.raises(HostError, match="refused the login as") as caught:
        sshd.host(key=str(key)).session()
    assert caught.value.details == (f"offered: {key} (ssh-ed25519 {_fingerprint(key.with_suffix('.pub'))})",)
    assert "authorized_keys" in caught.value.hint


def test_an_unknown_user(sshd: Sshd) -> None:
    with pytest.raises(HostError, match="refused the login as nobody-here"):
        sshd.host(address=f"nobody-here@127.0.0.1:{sshd.port}").session()


def test_no_key_at_all(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(HostError, match="there is no key") as caught:
        sshd.host(key=None).session()
    assert f"looked for: {tmp_path / '.ssh/id_ed25519'}" in caught.value.details


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An agent of one's own, empty."""
    sock = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", sock], stdout=subprocess.DEVNULL)
    assert eventually(sock.exists)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(sock))
    yield
    process.terminate()
    process.wait(10)


def test_a_key_of_the_agent(sshd: Sshd, agent: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    subprocess.run(["ssh-add", "-q", sshd.folder / "id_rsa"], check=True)
    hosts = [sshd.host(key=None) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda host: host.session().run("echo on").stdout, hosts))
    assert opened == ["on\n"] * 6
    for host in hosts:
        host.close()


def test_an_encrypted_key_needs_the_agent(sshd: Sshd, agent: None, tmp_path: Path) -> None:
    key = keygen(tmp_path / "locked", "ed25519", "a passphrase")
    authorized = sshd.folder / "authorized_keys"
    before = authorized.read_text()
    authorized.write_text(before + key.with_suffix(".pub").read_text())
    try:
        with pytest.raises(HostError, match="there is no key") as caught:
            sshd.host(key=str(key)).session()
        assert f"not offered: {key}: it is encrypted; type `ssh-add {key}` first" in caught.value.details
    finally:
        authorized.write_text(before)


def test_names_and_ports_where_nobody_is(sshd: Sshd) -> None:
    with pytest.raises(HostError, match="could not be resolved"):
        sshd.host(address="root@no-such-host.invalid").session()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(HostError, match="refuses connections") as caught:
            sshd.host(address=f"root@127.0.0.1:{port}").session()
    assert f"nc -vz 127.0.0.1 {port}" in caught.value.hint
    assert caught.value.where == f"root@127.0.0.1:{port}"


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 200, b"SSH-1.5-ancient\r\n"])
def test_a_server_that_does_not_speak_ssh(sshd: Sshd, greeting: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.sendall(greeting)
                time.sleep(2)

        thread = threading.Thread(target=serve)
        thread.start()
        began = time.monotonic()
        with pytest.raises(HostError, match="does not speak SSH"):
            sshd.host(address=f"root@127.0.0.1:{server.getsockname()[1]}", **{"connect-timeout": "1s"}).session()
        assert time.monotonic() - began < 4
        thread.join()
    assert capfd.readouterr().err == ""


def test_one_connection_for_many_sessions_that_closes_at_once(serve: Serve) -> None:
    server = serve()
    host = server.host()
    sessions = [host.session() for _ in range(8)]
    assert [session.run("echo on").stdout for session in sessions] == ["on\n"] * 8
    assert server.log.count("Accepted publickey") == 1
    began = time.monotonic()
    host.close()
    assert time.monotonic() - began < 0.1
    with pytest.raises(HostError, match="cannot be used any more"):
        sessions[0].run("true")


def test_a_lost_connection_is_told_and_the_next_session_connects_anew(sshd: Sshd) -> None:
    host = sshd.host()
    session, other = host.session(), host.session()
    server = int(session.run("echo $PPID").stdout)
    threading.Timer(0.3, lambda: os.kill(server, signal.SIGKILL)).start()
    with pytest.raises(HostError, match="was lost while a script ran") as caught:
        session.run("echo begun; sleep 1", timeout=20)
    assert caught.value.now == "what the script had begun may be unfinished there, or still running"
    assert caught.value.details == ("begun",)
    with pytest.raises(HostError, match="cannot be used any more: the connection was lost"):
        session.run("true")
    with pytest.raises(HostError, match="was lost"):
        other.run("true")
    assert host.session().run("echo on").stdout == "on\n"
    host.close()


@pytest.mark.parametrize("delay", [0.005, 0.02, 0.05, 0.1])
def test_a_put_that_is_cut_off_shows_no_half_file(sshd: Sshd, tmp_path: Path, delay: float) -> None:
    host = sshd.host()
    session = host.session()
    path = tmp_path / "file"
    path.write_bytes(b"before")
    data = os.urandom(3_000_000)

    def put_for_ever() -> None:
        while True:
            session.put(data, str(path))

    server = int(session.run("echo $PPID").stdout)
    threading.Timer(delay, lambda: os.kill(server, signal.SIGKILL)).start()
    with pytest.raises(HostError):
        put_for_ever()
    assert path.read_bytes() in (b"before", data)
    host.close()


def test_a_full_disk_leaves_the_file_as_it_was(sshd: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    host = sshd.host()
    with host.session() as session:
        session.eval_here("ulimit -f 8; trap '' XFSZ")
        with pytest.raises(HostError, match="could not write") as caught:
            session.put(bytes(50_000), str(path))
        assert "too large" in " ".join(caught.value.details)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    host.close()


def test_a_large_file_where_sftp_is_not_offered(serve: Serve, tmp_path: Path) -> None:
    server = serve(Subsystem="other /bin/false")
    host = server.host()
    data = os.urandom(400_000)
    with host.session() as session:
        session.put(data, str(tmp_path / "file"), mode=0o640)
        assert session.run("echo on").stdout == "on\n"
    assert (tmp_path / "file").read_bytes() == data
    host.close()


def test_a_timeout_where_only_one_channel_is_allowed(serve: Serve) -> None:
    server = serve(MaxSessions="1")
    host = server.host()
    session = host.session()
    pids: list[int] = []
    with pytest.raises(StepTimeout):
        session.run("sleep 1000 & echo $!; wait", timeout=2, on_line=lambda line, _: pids.append(int(line)))
    assert eventually(lambda: not alive(pids[0]))
    host.close()


def test_what_a_login_prints_is_not_output(serve: Serve) -> None:
    noise = "head -c 1000000 /dev/zero | tr '\\0' n; echo noise >&2; exec sh -s"
    host = serve(ForceCommand=noise).host()
    with host.session() as session:
        result = session.run("echo on; echo err >&2")
    assert (result.stdout, result.stderr) == ("on\n", "err\n")
    host.close()


def test_an_account_without_a_shell(serve: Serve) -> None:
    host = serve(ForceCommand="echo 'This account is currently not available.'; exit 1").host()
    with pytest.raises(HostError, match="no shell answered") as caught:
        host.session().run("touch /nobody/runs/this")
    assert caught.value.details == ("This account is currently not available.",)
    host.close()


def test_sessions_are_refused(serve: Serve) -> None:
    host = serve(MaxSessions="0").host()
    with pytest.raises(HostError, match="opened no session"):
        host.session()
    host.close()


def test_through_a_jump_host(serve: Serve, tmp_path: Path) -> None:
    gate, inner = serve(), serve()
    config = tmp_path / "config"
    config.write_text(
        f"Host inner\n HostName 127.0.0.1\n Port {inner.port}\n ProxyJump gate\n"
        f"Host gate\n HostName 127.0.0.1\n Port {gate.port}\n"
        f"Host *\n IdentityFile {inner.folder / 'id_ed25519'}\n IdentitiesOnly yes\n"
    )
    (gate.folder / "authorized_keys").write_text((inner.folder / "authorized_keys").read_text())
    options: dict[str, Any] = {"config": str(config), "key": None, "address": inner.address.split("@")[0] + "@inner"}
    host = inner.host(gate.known() + inner.known(), **options)
    with host.session() as session:
        assert session.run("echo $SSH_CONNECTION | cut -d' ' -f4").stdout == f"{inner.port}\n"
        session.put(bytes(100_000), str(tmp_path / "file"))
    assert (tmp_path / "file").stat().st_size == 100_000
    assert "Accepted publickey" in gate.log
    began = time.monotonic()
    host.close()
    assert time.monotonic() - began < 0.5

    connections = inner.log.count("Connection from")
    with pytest.raises(Refused, match="the host key of gate is not known"):
        inner.host(inner.known(), **options).session()
    assert inner.log.count("Connection from") == connections
    with pytest.raises(Refused, match="the host key of inner is not known"):
        inner.host(gate.known(), **options).session()
    (tmp_path / "config").write_text(config.read_text().replace(f"Port {inner.port}", "Port 1"))
    with pytest.raises(HostError, match="gate could not reach inner"):
        inner.host(gate.known() + inner.known(), **options).session()


def test_a_host_by_the_openssh_configuration_alone(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text(sshd.known(name="alias-of-key"))
    config = tmp_path / "config"
    user = sshd.address.split("@")[0]
    config.write_text(
        f"Host web\n HostName 127.0.0.1\n Port {sshd.port}\n User {user}\n HostKeyAlias alias-of-key\n"
        f" IdentityFile {sshd.folder / 'id_ed25519'}\n UserKnownHostsFile {known}\n"
    )
    host = sshd.host(address="web", config=str(config), key=None, **{"known-hosts": None})
    with host.session() as session:
        assert session.run("echo on").stdout == "on\n"
    assert host.name == "web"
    host.close()


def test_an_interrupt_while_connecting(sshd: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            sshd.host(address=f"root@127.0.0.1:{server.getsockname()[1]}").session()
        assert time.monotonic() - began < 2
