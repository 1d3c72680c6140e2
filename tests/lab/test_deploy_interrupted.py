"""Deploys that are cut off: asked to stop they take everything back; killed, the next command mends it."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator

import pytest

from tests.lab.deploy_product import Product, finished, made, under_load, until

START, ROUTE, DRAIN, STOP = r"^start \S+-api-", r"^route api", r"^drain ", r"^stop \S+-api-"
WORKER_STOP, WATCH, CLEAN_UP = r"^stop \S+-worker-", r"^watch ", r"^remove "


@pytest.fixture(scope="module")
def made_product(lab_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    del lab_images
    with made(tmp_path_factory.mktemp("cut"), "1.0.0", "1.1.0") as product:
        yield product


@pytest.fixture
def product(made_product: Product) -> Product:
    """The product with 1.0.0 or 1.1.0 deployed, whole."""
    made_product.configure(stabilise="500ms", deploy="")
    now = made_product.observed().version
    if not now:
        ended = made_product.inv("deploy", "--version=1.0.0")
        assert ended.code == 0, ended
    made_product.assert_serves(now or "1.0.0")
    return made_product


def versions(product: Product) -> tuple[str, str]:
    """The version that is deployed, and the other one."""
    now = product.observed().version
    return now, {"1.0.0": "1.1.0", "1.1.0": "1.0.0"}[now]


ASKED = [
    (signal.SIGINT, START, "Started"),
    (signal.SIGTERM, START, "Finished"),
    (signal.SIGTERM, ROUTE, "Started"),
    (signal.SIGINT, DRAIN, "Started"),
    (signal.SIGTERM, STOP, "Started"),
    (signal.SIGINT, WATCH, "Started"),
    (signal.SIGTERM, "^endpoints", "Started"),
]


@pytest.mark.parametrize(("number", "step", "kind"), ASKED, ids=lambda value: re.sub(r"\W", "", str(value)))
def test_asked_to_stop_it_takes_everything_back(product: Product, number: signal.Signals, step: str, kind: str) -> None:
    now, other = versions(product)
    before = product.observed()
    with under_load(product):
        deploying = product.start("deploy", f"--version={other}")
        product.until_step(deploying, step, kind=kind)
        # Ctrl-C reaches the whole process group of the terminal, SIGTERM the process that was named.
        (os.killpg if number == signal.SIGINT else os.kill)(deploying.pid, number)
        ended = finished(deploying)
    assert ended.code == 130, ended
    assert f"taken back; {now} serves on" in ended.text
    assert product.assert_serves(now) == before
    assert product.journal_end() == "taken-back"


def test_a_second_and_a_third_signal_do_not_stop_the_taking_back(product: Product) -> None:
    now, other = versions(product)
    before = product.observed()
    deploying = product.start("deploy", f"--version={other}")
    product.until_step(deploying, STOP)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
        os.kill(deploying.pid, number)
        time.sleep(0.2)
    ended = finished(deploying)
    assert ended.code == 130, ended
    assert "already stopping, and taking back what was begun" in ended.err
    assert product.assert_serves(now) == before
    assert product.journal_end() == "taken-back"


KILLED = [
    (START, "Started", "deploy"),
    (ROUTE, "Started", "rollback"),
    (DRAIN, "Started", "deploy"),
    (DRAIN, "Finished", "rollback"),
    (STOP, "Finished", "deploy"),
    (WORKER_STOP, "Started", "rollback"),
    (WATCH, "Started", "deploy"),
    (CLEAN_UP, "Started", "deploy"),
]


@pytest.mark.parametrize(("step", "kind", "mended_by"), KILLED, ids=lambda value: re.sub(r"\W", "", str(value)))
def test_killed_it_blocks_nobody_and_the_next_command_mends_it(
    product: Product, step: str, kind: str, mended_by: str
) -> None:
    now, other = versions(product)
    with under_load(product):
        deploying = product.start("deploy", f"--version={other}")
        product.until_step(deploying, step, kind=kind)
        deploying.kill()
        finished(deploying)
        until(lambda: product.host.sh(f"flock -n {product.host.base}/lock true").code == 0, "the lock stays", seconds=2)

        told = product.inv("status")
        assert told.code == 0, told
        if step != CLEAN_UP:
            assert f"the deploy of {other} by " in told.text, told
            assert "was cut off" in told.text, told
        assert product.served() <= {"1.0.0", "1.1.0"}

        mended = product.inv(mended_by, *((f"--version={other}",) if mended_by == "deploy" else ()))
        assert mended.code == 0, mended
    product.assert_serves(other if mended_by == "deploy" else now)


def test_one_deploy_at_a_time(product: Product) -> None:
    now, other = versions(product)
    product.configure(stabilise="4s")
    first = product.start("deploy", f"--version={other}")
    product.until_step(first, WATCH)
    before = product.observed()

    second = product.inv("deploy", f"--version={now}")
    assert second.code == 3, second
    assert "another deploy is running" in second.text
    holder = json.loads(product.host.sh(f"cat {product.host.base}/lock.json").out)
    assert f"it runs by {holder['by']}, of {other}, since {holder['since'][:10]}" in second.text
    assert "s ago)" in second.text
    for task, *words in (("rollback",), ("down", "--yes")):
        refused = product.inv(task, *words)
        assert refused.code == 3, refused
        assert "another deploy is running" in refused.text
    assert product.observed() == before

    product.configure(stabilise="4s", deploy='lock-wait = "30s"')
    waited = product.start("deploy", f"--version={other}")
    assert finished(first).code == 0
    ended = finished(waited)
    assert ended.code == 0, ended
    assert f"{other} runs already on local: nothing to do" in ended.text
    product.assert_serves(other)


def test_step_that_outlives_its_deploy_is_waited_for(
    lab_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with made(tmp_path_factory.mktemp("deaf"), replicas="1") as product:
        product.build("1.0.0", deaf=True)  # it takes 5 s to stop
        product.build("1.1.0")
        ended = product.inv("deploy", "--version=1.0.0")
        assert ended.code == 0, str(ended)
        with under_load(product):
            deploying = product.start("deploy", "--version=1.1.0")
            product.until_step(deploying, STOP)
            time.sleep(0.3)
            deploying.kill()
            finished(deploying)
            # The old container is being stopped by a shell of its own: it must not be taken for one that serves.
            ended = product.inv("rollback")
            assert ended.code == 0, str(ended)
        product.assert_serves("1.0.0", replicas=1)
