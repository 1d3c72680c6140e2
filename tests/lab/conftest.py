"""Fixtures of the lab, and the loud line at the end of a run that says what of it was not covered.

SHIPTASKS_LAB=required makes a missing lab a failure instead of a skip; SHIPTASKS_LAB_KEEP=0 ends the lab with the run.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.lab import lab
from tests.lab.engine import EngineInfo
from tests.lab.proc import Echo, LabError
from tests.lab.registry import Registry
from tests.lab.sshhost import Host

HERE = Path(__file__).parent
REQUIRED = os.environ.get("SHIPTASKS_LAB") == "required"
T = TypeVar("T")
KEEP = os.environ.get("SHIPTASKS_LAB_KEEP", "1") != "0"

_collected: set[str] = set()
_outcomes: dict[str, str] = {}
_reasons: Counter[str] = Counter()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "lab: runs on the real engine, registry and hosts of the lab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("lab")


def pytest_collection_finish(session: pytest.Session) -> None:
    _collected.update(item.nodeid for item in session.items if item.get_closest_marker("lab"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "lab" not in report.keywords:
        return
    if report.skipped:
        _outcomes[report.nodeid] = "skipped"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _reasons[reason.removeprefix("Skipped: ")] += 1
    elif report.when == "call":
        _outcomes[report.nodeid] = "ran"


def pytest_sessionfinish(session: pytest.Session) -> None:
    if REQUIRED and "skipped" in _outcomes.values() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if not KEEP and not hasattr(session.config, "workerinput"):
        lab.down(_echo_to(session.config))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _collected and not _outcomes:
        return
    counts = Counter(_outcomes.values())
    total = max(len(_collected), len(_outcomes))
    if counts["ran"] == total:
        terminalreporter.write_line(f"LAB: {total} lab tests ran, 0 skipped", green=True, bold=True)
        return
    why = "; ".join(_reasons) or "the run ended before them, or their set-up failed"
    line = f"LAB: {counts['ran']} of {total} lab tests ran: {why}"
    terminalreporter.write_line(line + (" (SHIPTASKS_LAB=required)" if REQUIRED else ""), red=True, bold=True)


@pytest.fixture(scope="session")
def lab_echo(pytestconfig: pytest.Config) -> Echo:
    """Says what the lab installs and starts, past pytest's capturing: it may take a minute."""
    return _echo_to(pytestconfig)


@pytest.fixture(scope="session")
def lab_engine(lab_echo: Echo) -> EngineInfo:
    """The engine that answers at the default address."""
    return _or_skip(lambda: lab.up(lab_echo, hosts=0, names=()).engine)


@pytest.fixture(scope="session")
def lab_images(lab_engine: EngineInfo, lab_echo: Echo) -> dict[str, str]:
    """The base images: name -> "there", "pulled" or "stand-in"."""
    return _or_skip(lambda: lab.up(lab_echo, hosts=0).images)


@pytest.fixture(scope="session")
def lab_registry(lab_engine: EngineInfo, lab_echo: Echo) -> Registry:
    """The registry; its `name` is what image names start with."""
    return _or_skip(lambda: lab.registry_up(lab_echo))


@pytest.fixture(scope="session")
def lab_hosts(lab_echo: Echo) -> Callable[[int], list[Host]]:
    """A factory: lab_hosts(3) gives host1 to host3. Each is cleaned when the session first asks for it."""
    cleaned: set[Host] = set()

    def hosts(count: int) -> list[Host]:
        found = _or_skip(lambda: lab.up(lab_echo, hosts=count).hosts)
        for host in set(found) - cleaned:
            host.clean()
            cleaned.add(host)
        return list(found)

    return hosts


@pytest.fixture
def lab_host(lab_hosts: Callable[[int], list[Host]]) -> Iterator[Host]:
    """host1, with nothing on it, whatever the test before did to it."""
    host = lab_hosts(1)[0]
    host.clean()
    yield host
    host.restore_network()
    host.resume()


def _or_skip(make: Callable[[], T]) -> T:
    try:
        return make()
    except LabError as error:
        if REQUIRED:
            pytest.fail(f"the lab is required (SHIPTASKS_LAB=required), but {error}", pytrace=False)
        pytest.skip(str(error).splitlines()[0])


def _echo_to(config: pytest.Config) -> Echo:
    capture = config.pluginmanager.getplugin("capturemanager")

    def echo(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\nlab: {text}", flush=True)

    return echo
