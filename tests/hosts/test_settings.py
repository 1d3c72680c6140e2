"""An address, `[tool.shiptasks.ssh]` and an OpenSSH configuration, put together."""

from __future__ import annotations

import getpass
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shiptasks.errors import UsageError
from shiptasks.hosts.sections import Ssh
from shiptasks.hosts.settings import Target, resolve


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with an OpenSSH configuration, and no other one."""
    folder = tmp_path / "home"
    (folder / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    return folder


def _resolve(tmp_path: Path, address: str, config: str = "", **ssh: Any) -> Target:
    (tmp_path / "config").write_text(config)
    return resolve(Ssh.model_validate({"config": "config", **ssh}), tmp_path, address)


def test_nothing_but_an_address(tmp_path: Path, home: Path) -> None:
    target = _resolve(tmp_path, "web1.example.com")
    assert (target.name, target.host, target.port, target.user) == (
        "web1.example.com",
        "web1.example.com",
        22,
        getpass.getuser(),
    )
    assert target.known_hosts[0] == home / ".ssh/known_hosts"
    assert target.keys[0] == home / ".ssh/id_ed25519"
    assert target.use_agent
    assert target.jump is None
    assert target.connect_timeout == 10


def test_the_address_goes_before_the_configuration(tmp_path: Path) -> None:
    config = "Host web\n HostName 10.0.0.7\n Port 2222\n User deploy\n HostKeyAlias Web\n"
    target = _resolve(tmp_path, "web", config)
    assert (target.name, target.host, target.port, target.user) == ("web", "10.0.0.7", 2222, "deploy")
    assert target.known_as == "Web"
    target = _resolve(tmp_path, "root@web:22", config)
    assert (target.name, target.host, target.port, target.user) == ("web:22", "10.0.0.7", 22, "root")


def test_the_home_configuration_is_read_when_none_is_named(tmp_path: Path, home: Path) -> None:
    (home / ".ssh/config").write_text("Host web\n HostName 10.0.0.8\n")
    assert resolve(Ssh(), tmp_path, "web").host == "10.0.0.8"


def test_keys_and_known_hosts(tmp_path: Path, home: Path) -> None:
    config = (
        "Host *\n IdentityFile ~/.ssh/a\n IdentityFile /keys/b\n IdentitiesOnly yes\n UserKnownHostsFile ~/k1 /k2\n"
    )
    target = _resolve(tmp_path, "web", config)
    assert target.keys == (home / ".ssh/a", Path("/keys/b"))
    assert not target.use_agent
    assert target.known_hosts[:2] == (home / "k1", Path("/k2"))
    (tmp_path / "deploy_key").touch()
    target = _resolve(tmp_path, "web", config, **{"key": "deploy_key", "known-hosts": ["hosts", "~/more"]})
    assert target.keys == (tmp_path / "deploy_key",)
    assert not target.use_agent
    assert target.known_hosts == (tmp_path / "hosts", home / "more")


def test_jump_hosts(tmp_path: Path) -> None:
    config = "Host web\n ProxyJump me@gate:2200\nHost gate\n HostName 10.1.1.1\n ProxyJump outer\n"
    target = _resolve(tmp_path, "web", config)
    assert target.jump is not None
    assert (target.jump.host, target.jump.port, target.jump.user) == ("10.1.1.1", 2200, "me")
    assert target.jump.jump is not None
    assert target.jump.jump.host == "outer"
    chain = _resolve(tmp_path, "web", "Host web\n ProxyJump one,two\n")
    assert chain.jump is not None
    assert chain.jump.host == "two"
    assert chain.jump.jump is not None
    assert chain.jump.jump.host == "one"
    own = _resolve(tmp_path, "web", "Host *\n ProxyJump gate\n")
    assert own.jump is not None
    assert own.jump.jump is None
    assert _resolve(tmp_path, "web", "Host *\n ProxyJump none\n").jump is None


@pytest.mark.parametrize(
    "address",
    ["", "-oProxyCommand=x", "a b", "user@host;id", "host:port", "@host", "user@", "a@-b", "host:22:22", "h\n"],
)
def test_bad_addresses(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError, match="not an address"):
        _resolve(tmp_path, address)


def test_an_ipv6_address(tmp_path: Path) -> None:
    target = _resolve(tmp_path, "root@[::1]:2222")
    assert (target.host, target.port, target.user) == ("::1", 2222, "root")


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file") as caught:
        resolve(Ssh.model_validate({"config": "missing"}), tmp_path, "web")
    assert caught.value.where == "tool.shiptasks.ssh.config"
    with pytest.raises(UsageError, match="no key"):
        _resolve(tmp_path, "web", key="missing")
    with pytest.raises(UsageError, match="ProxyCommand"):
        _resolve(tmp_path, "web", "Host web\n ProxyCommand nc %h %p\n")
    with pytest.raises(UsageError, match="cannot be read") as caught:
        _resolve(tmp_path, "web", "Match nonsense\n Port 1\n")
    assert str(tmp_path / "config") in caught.value.where


def test_importing_and_local_hosts_load_nothing_heavy() -> None:
    code = (
        "import sys, shiptasks.hosts, shiptasks.hosts.fleet, shiptasks.hosts.local\n"
        "with shiptasks.hosts.connect(None, 'local').session() as s: s.run('true')\n"
        "print([m for m in ('fabric', 'paramiko', 'cryptography', 'pydantic', 'rich', 'docker') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
