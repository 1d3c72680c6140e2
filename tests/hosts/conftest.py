"""A real sshd, and the two kinds of hosts that have to behave alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shiptasks.hosts import Host, Session
from shiptasks.hosts.local import LocalHost
from tests.hosts.sshd import Sshd, program, serving

Serve = Callable[..., Sshd]


@pytest.fixture(scope="session")
def need_sshd() -> None:
    if program() is None:
        reason = "no sshd on this machine (Debian: openssh-server): hosts over SSH are not covered"
        if os.environ.get("SHIPTASKS_LAB") == "required":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def sshd(need_sshd: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One ordinary server for all tests."""
    with serving(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def serve(need_sshd: None, tmp_path: Path) -> Iterator[Serve]:
    """Start a server of one's own, with options of sshd_config."""
    with ExitStack() as stack:

        def start(**options: str) -> Sshd:
            folder = tmp_path / f"sshd{len(list(tmp_path.glob('sshd*')))}"
            folder.mkdir()
            return stack.enter_context(serving(folder, options))

        yield start


@pytest.fixture(params=["local", "ssh"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A host of each kind."""
    one: Host = LocalHost() if request.param == "local" else request.getfixturevalue("sshd").host()
    yield one
    one.close()


@pytest.fixture
def session(host: Host) -> Iterator[Session]:
    """A session on a host of each kind."""
    with host.session() as one:
        yield one
