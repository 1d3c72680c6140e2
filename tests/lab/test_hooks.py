"""Hooks around a real deploy: their order, one that fails in the middle under load, one that begins a deploy."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator

import pytest

from tests.lab.deploy_product import Product, finished, made, under_load

NOTE = 'echo \\"$SHIPTASKS_WHEN $SHIPTASKS_TASK.$SHIPTASKS_STAGE $SHIPTASKS_VERSION $SHIPTASKS_OUTCOME\\" >> notes'
TASKS = """\
import shiptasks

ns = shiptasks.namespace()


@shiptasks.task
def note(c, hook: shiptasks.HookContext = None):
    'Write down what a hook is told.'
    with open(f"{shiptasks.load(c).root}/notes", "a") as file:
        file.write(f"{hook.when} {hook.task}.{hook.stage} {hook.version} {hook.outcome} task\\n")
"""


@pytest.fixture(scope="module")
def product(lab_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    del lab_images
    with made(tmp_path_factory.mktemp("hooks"), "1.0.0", "1.1.0") as product:
        (product.root / "tasks.py").write_text(TASKS)
        ended = product.inv("deploy", "--version=1.0.0")
        assert ended.code == 0, ended
        yield product


@pytest.fixture
def notes(product: Product) -> Iterator[Product]:
    (product.root / "notes").unlink(missing_ok=True)
    now = product.observed().version
    if now != "1.0.0":
        product.configure(end="")
        assert product.inv("deploy", "--version=1.0.0").code == 0
    yield product
    product.configure(end="")


def noted(product: Product) -> list[str]:
    path = product.root / "notes"
    return path.read_text().splitlines() if path.exists() else []


def hooks(**points: str) -> str:
    return "[tool.shiptasks.hooks.deploy]\n" + "".join(
        f"{key.replace('_', '-')} = {value}\n" for key, value in points.items()
    )


def test_before_and_after_each_stage_in_their_order(notes: Product) -> None:
    note = f'"{NOTE}"'
    notes.configure(
        end=hooks(before=note, after=f'[{note}, {{ task = "note" }}]', failed=note)
        + f"rollout.before = {note}\nrollout.after = {note}\nverify.before = {note}\nclean-up.after = {note}\n"
    )
    plan = notes.inv("deploy", "--version=1.1.0", "--plan")
    assert plan.code == 0, plan
    assert re.search(r"^ +> +hook after: task note$", plan.text, re.M), plan
    assert noted(notes) == []
    with under_load(notes):
        ended = notes.inv("deploy", "--version=1.1.0")
    assert ended.code == 0, ended
    assert [line.rstrip() for line in noted(notes)] == [
        "before deploy. 1.1.0",
        "before deploy.rollout 1.1.0",
        "after deploy.rollout 1.1.0 ok",
        "before deploy.verify 1.1.0",
        "after deploy.clean-up 1.1.0 ok",
        "after deploy. 1.1.0 ok",
        "after deploy. 1.1.0 ok task",
    ]
    again = notes.inv("deploy", "--version=1.1.0")
    assert again.code == 0, again
    assert len(noted(notes)) == 7  # nothing to do: no hook


def test_a_hook_that_fails_before_anything_leaves_everything(notes: Product) -> None:
    before = notes.observed()
    notes.configure(end=hooks(before="\"sh -c 'echo no >&2; exit 3'\"", failed='"touch never"'))
    ended = notes.inv("deploy", "--version=1.1.0")
    assert ended.code == 1, ended
    assert "the hook before deploy failed" in ended.text
    assert "nothing was changed" in ended.text
    assert notes.observed() == before
    assert not (notes.root / "never").exists()
    assert notes.lock_is_free()


def test_a_hook_that_fails_in_the_middle_has_all_taken_back(notes: Product) -> None:
    before = notes.observed()
    notes.configure(end=hooks(failed=f'"{NOTE}"') + 'stabilise.before = "false"\n')
    with under_load(notes):
        ended = notes.inv("deploy", "--version=1.1.0")
    assert ended.code == 4, ended
    assert "the hook before deploy.stabilise failed" in ended.text
    assert notes.assert_serves("1.0.0") == before
    assert noted(notes) == ["failed deploy. 1.1.0 restored"]


def test_an_after_hook_that_fails_changes_nothing(notes: Product) -> None:
    notes.configure(end=hooks(after='["false", "touch next"]') + 'rollout.after = "false"\n')
    ended = notes.inv("deploy", "--version=1.1.0")
    assert ended.code == 0, ended
    assert ended.text.count("it changes nothing") == 2
    assert (notes.root / "next").exists()
    notes.assert_serves("1.1.0")


@pytest.mark.parametrize("by", ["command", "task"])
def test_a_hook_that_deploys_again_is_refused_and_does_not_hang(notes: Product, by: str) -> None:
    before = notes.observed()
    word = "inv" if by == "command" else "again"
    again = "\n\n@shiptasks.task\ndef again(c):\n    shiptasks.call(c, 'deploy', env='local', version='1.0.0')\n"
    (notes.root / "tasks.py").write_text(TASKS + again)
    inner = f'"{notes.argv("deploy")[0]} deploy --env=local --version=1.0.0"'
    notes.configure(end="[tool.shiptasks.hooks.deploy]\n" + f"migrate.before = {inner}\nrollout.before = "
                    + (inner if word == "inv" else '{ task = "again" }') + "\n")  # fmt: skip
    ended = notes.inv("deploy", "--version=1.1.0", timeout=60)
    assert ended.code == 4, ended
    assert "a hook of inv deploy may not run inv deploy of local" in ended.text
    assert notes.assert_serves("1.0.0") == before


def test_an_interrupt_in_a_hook_ends_it_and_takes_all_back(notes: Product) -> None:
    before = notes.observed()
    notes.configure(end=hooks(failed=f'"{NOTE}"') + 'verify.before = "sleep 60"\n')
    deploying = notes.start("deploy", "--version=1.1.0")
    notes.until_step(deploying, "^hook before deploy.verify")
    os.kill(deploying.pid, signal.SIGTERM)
    ended = finished(deploying)
    assert ended.code == 130, ended
    assert notes.assert_serves("1.0.0") == before
    assert noted(notes) == ["failed deploy. 1.1.0 interrupted"]
