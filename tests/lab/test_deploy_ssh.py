"""Deploys over SSH: to one host and to two, with a registry between, and with what can happen to a connection."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.lab import access
from tests.lab.deploy_product import Ended, Observed, Product, Remote, finished, sweep, under_load, until
from tests.lab.registry import Registry
from tests.lab.sshhost import Host

PORT = 8080  # of the hosts' own, which nobody else has


def _environment(name: str, *hosts: Remote) -> str:
    entries = ", ".join(f'"{host.entry}"' for host in hosts)
    return (
        f"[tool.shiptasks.environments.{name}]\nhosts = [{entries}]\n"
        f'[tool.shiptasks.ssh]\nconfig = "{access.ssh_config()}"\n'
    )


@pytest.fixture(scope="module")
def product(
    lab_hosts: Callable[[int], list[Host]],
    lab_images: dict[str, str],
    lab_registry: Registry,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Product]:
    del lab_images
    hosts = lab_hosts(2)
    product = Product(tmp_path_factory.mktemp("ssh") / "product", port=PORT)
    one, two = (Remote(product, host) for host in hosts)
    product.configure(top=f'registry = "{lab_registry.name}/acme"', end=_environment("one", one))
    product.env, product.host = "one", one
    try:
        product.build("1.0.0", "--push")
        product.build("1.1.0", "--push")
        yield product
    finally:
        product.configure(end=_environment("two", one, two))
        product.env, product.host = "two", two
        try:
            product.remove()
        finally:
            sweep(one, product.project)


@pytest.fixture(scope="module")
def far(
    lab_hosts: Callable[[int], list[Host]],
    lab_images: dict[str, str],
    lab_registry: Registry,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Product]:
    """A product of its own on host2, with 1.0.0 deployed."""
    del lab_images
    product = Product(tmp_path_factory.mktemp("far") / "product", port=PORT + 1)
    host = Remote(product, lab_hosts(2)[1])
    product.configure(
        top=f'registry = "{lab_registry.name}/acme"',
        end=_environment("far", host),
    )
    product.env, product.host = "far", host
    try:
        product.build("1.0.0", "--push")
        product.build("1.1.0", "--push")
        ended = product.inv("deploy", "--version=1.0.0")
        assert ended.code == 0, str(ended)
        yield product
    finally:
        host.lab.restore_network()
        product.remove()


@pytest.fixture(scope="module", autouse=True)
def cut_off(far: Product) -> Iterator[Future[Ended]]:
    """A deploy to `far` whose network goes away: it takes its time to notice, and so goes on beside other tests."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(_cut_off, far)


def _cut_off(far: Product) -> Ended:
    assert isinstance(far.host, Remote)
    deploying = far.start("deploy", "--version=1.1.0")
    far.until_step(deploying, r"^route api", kind="Finished")
    far.host.lab.cut_network()
    try:
        return finished(deploying, timeout=90)
    finally:
        far.host.lab.restore_network()


@pytest.fixture
def one(product: Product, lab_hosts: Callable[[int], list[Host]]) -> Product:
    """The environment `one`, with 1.0.0 deployed."""
    product.env, product.host = "one", Remote(product, lab_hosts(2)[0])
    product.configure(stabilise="500ms")
    ended = product.inv("deploy", "--version=1.0.0")
    assert ended.code == 0, str(ended)
    return product


def on_each(product: Product, hosts: list[Host]) -> Iterator[Product]:
    """The product, looked at on one host after the other."""
    for host in hosts:
        product.host = Remote(product, host)
        yield product


def test_deploy_same_again_next_broken_and_back(one: Product) -> None:
    seen = one.assert_serves("1.0.0")
    assert one.host.sh(f"stat -c %a {one.host.base}/current/.env").out == "600\n"
    again = one.inv("deploy", "--version=1.0.0")
    assert again.code == 0, again
    assert "1.0.0 runs already on one: nothing to do" in again.text
    assert one.observed() == seen

    with under_load(one):
        ended = one.inv("deploy", "--version=1.1.0")
        assert ended.code == 0, str(ended)
    seen = one.assert_serves("1.1.0")

    one.build("1.2.0", "--push", start="crashes")
    with under_load(one):
        ended = one.inv("deploy")
    assert ended.code == 4, str(ended)
    assert "config error: DATABASE_URL is not a URL" in ended.text
    assert "taken back; 1.1.0 serves on" in ended.text
    assert one.observed() == seen

    with under_load(one):
        ended = one.inv("rollback")
        assert ended.code == 0, str(ended)
    one.assert_serves("1.0.0")


def test_build_that_was_not_pushed(one: Product) -> None:
    seen = one.assert_serves("1.0.0")
    one.build("1.3.0")
    ended = one.inv("deploy", "--version=1.3.0")
    assert ended.code == 2, ended
    assert "1.3.0 was built but not pushed: only this machine has its images" in ended.text
    assert "inv build --version=1.3.0 --push" in ended.text
    assert one.observed() == seen


def test_host_key_that_is_not_known_or_another(one: Product, lab_hosts: Callable[[int], list[Host]]) -> None:
    host = lab_hosts(2)[0]
    seen = one.assert_serves("1.0.0")
    text = (one.root / "pyproject.toml").read_text()
    (one.root / "known").write_text("")
    (one.root / "pyproject.toml").write_text(text + 'known-hosts = ["known"]\n')
    try:
        ended = one.inv("deploy", "--version=1.1.0")
    finally:
        (one.root / "pyproject.toml").write_text(text)
    assert ended.code == 3, ended
    assert "SHA256:" in ended.text
    assert one.observed() == seen

    host.change_host_key()
    try:
        ended = one.inv("deploy", "--version=1.1.0")
    finally:
        host.restore_host_key()
    assert ended.code == 3, ended
    assert "SHA256:" in ended.text
    assert one.observed() == seen


def test_killed_it_leaves_no_lock_on_the_host(one: Product) -> None:
    deploying = one.start("deploy", "--version=1.1.0")
    one.until_step(deploying, r"^route api", kind="Finished")
    assert not one.lock_is_free()
    deploying.kill()
    finished(deploying)
    until(lambda: one.host.sh(f"flock -n {one.host.base}/lock true").code == 0, "the lock stays", seconds=3)
    told = one.inv("status")
    assert "was cut off" in told.text, told
    with under_load(one):
        ended = one.inv("rollback")
        assert ended.code == 0, str(ended)
    one.assert_serves("1.0.0")


def test_network_that_goes_away_and_comes_back(cut_off: Future[Ended], far: Product) -> None:
    ended = cut_off.result()
    assert ended.code == 5, str(ended)
    assert ended.seconds < 75
    assert "could NOT be restored everywhere" in ended.text
    assert "the host does not answer" in ended.text
    assert "inv status --env=far, then inv rollback --env=far" in ended.text
    assert "Traceback" not in ended.text

    def reachable() -> bool:
        with contextlib.suppress(OSError):
            return far.served(1) <= {"1.0.0", "1.1.0"}
        return False

    until(reachable, "the host does not come back")
    mended = far.inv("deploy", "--version=1.1.0", timeout=120)
    assert mended.code == 0, str(mended)
    far.assert_serves("1.1.0")


def test_two_hosts_one_after_the_other_and_back_together(
    product: Product, lab_hosts: Callable[[int], list[Host]]
) -> None:
    hosts = lab_hosts(2)
    # One folder on a host is for one environment.
    product.env, product.host = "one", Remote(product, hosts[0])
    ended = product.inv("down", "--yes", "--volumes")
    assert ended.code == 0, str(ended)
    assert not product.observed().containers
    product.configure(end=_environment("two", *(Remote(product, host) for host in hosts)))
    product.env = "two"
    ended = product.inv("deploy", "--version=1.0.0", timeout=120)
    assert ended.code == 0, str(ended)
    before: list[Observed] = [each.assert_serves("1.0.0") for each in on_each(product, hosts)]
    product.host = Remote(product, hosts[1])

    # A container of the name that the second host's new one would have: it fails there, after the first host is done.
    taken = f"{product.project}-worker-{_number(before[1], 'worker') + 1}"
    product.host.docker("create", "--name", taken, "redis:7")
    try:
        ended = product.inv("deploy", "--version=1.1.0", timeout=120)
        assert ended.code == 4, str(ended)
        assert "taken back; 1.0.0 serves on" in ended.text
        assert taken in ended.text
        assert product.host.docker("inspect", "--format", "{{.Config.Image}}", taken) == "redis:7\n"
    finally:
        product.host.docker("rm", "-f", taken)
    assert [each.assert_serves("1.0.0") for each in on_each(product, hosts)] == before

    product.host = Remote(product, hosts[0])
    with under_load(product):
        ended = product.inv("deploy", "--version=1.1.0", timeout=120)
        assert ended.code == 0, str(ended)
    for each in on_each(product, hosts):
        each.assert_serves("1.1.0")
    ended = product.inv("rollback", timeout=120)
    assert ended.code == 0, str(ended)
    for each in on_each(product, hosts):
        each.assert_serves("1.0.0")


def _number(seen: Observed, service: str) -> int:
    return max(int(name.rpartition("-")[2]) for name in seen.names if f"-{service}-" in name)
