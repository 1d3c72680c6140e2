"""Sizes of images: what is compared with what, what is over its budget, and what is kept for the next build."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shiptasks.build import sizes
from shiptasks.build.manifest import BuiltImage, Manifest
from shiptasks.build.sizes import ImageSize, Kept, SizeReport
from shiptasks.config.model import Project
from shiptasks.errors import Failed
from shiptasks.run.events import Bus, Event, Notice
from tests.build.sample import make_project

MB = 1_000_000
SERVICES = {"api": {"context": "api", "budget": "200MB"}, "web": {"context": "web"}}


def project_in(root: Path, **services: Any) -> Project:
    return make_project(root, services={**SERVICES, **services})


def manifest(version: str, **images: tuple[int | None, int | None]) -> Manifest:
    made = tuple(
        BuiltImage(name, f"shop-{name}", version, "sha256:0", size=size, compressed=compressed)
        for name, (size, compressed) in images.items()
    )
    return Manifest("shop", version, "abc", "2026-01-01T00:00:00.000Z", made)


class Heard:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def handle(self, event: Event) -> None:
        assert isinstance(event, Notice)
        self.texts.append(f"{event.level}: {event.text}")


def test_the_first_report_has_nothing_to_compare_with(tmp_path: Path) -> None:
    made = sizes.report(project_in(tmp_path), manifest("1.0.0", api=(150 * MB, 50 * MB), web=(20 * MB, None)))
    assert made.text().splitlines() == [
        "service     size  compressed  change  budget",
        "api       150 MB     50.0 MB       -  200 MB",
        "web      20.0 MB           -       -  -",
    ]
    assert not (tmp_path / ".shiptasks").exists(), "looking keeps nothing"


def test_a_later_report_says_the_change_against_what_was_kept(tmp_path: Path) -> None:
    project = project_in(tmp_path)
    sizes.remember(project, sizes.report(project, manifest("1.0.0", api=(150 * MB, 50 * MB), web=(20 * MB, None))))
    made = sizes.report(project, manifest("1.1.0", api=(154_100_000, 50 * MB), web=(8 * MB, None)))
    assert made.text().splitlines() == [
        "service    size  compressed    change  budget",
        "api      154 MB     50.0 MB   +4.1 MB  200 MB",
        "web      8.0 MB           -  -12.0 MB  -",
    ]
    assert made.data()["images"][0] == {
        "service": "api",
        "unpacked": 154_100_000,
        "compressed": 50_000_000,
        "change": 4_100_000,
        "before": "1.0.0",
        "budget": 200_000_000,
        "over_budget": False,
    }


@pytest.mark.parametrize(
    ("now", "before", "change", "said"),
    [
        ((10, 5), None, None, "-"),
        ((10_000, 5), (20_000, 5), -10_000, "-10.0 kB"),
        ((20_500, None), (20_000, None), 500, "same"),
        ((None, 7_000), (20_000, 5_000), 2_000, "+2.0 kB"),
        ((10_000, None), (None, 5_000), None, "-"),
        ((None, None), (10_000, 5_000), None, "-"),
    ],
)
def test_change(
    now: tuple[int | None, int | None], before: tuple[int | None, int | None] | None, change: int | None, said: str
) -> None:
    image = ImageSize("api", *now, before=Kept("1.0.0", *before) if before else None)
    assert image.change == change
    assert sizes.changed(image.change) == said


@pytest.mark.parametrize(
    ("size", "budget", "over", "unjudged"),
    [(200, 200, 0, False), (201, 200, 1, False), (201, None, 0, False), (None, 200, 0, True), (None, None, 0, False)],
)
def test_over_budget(size: int | None, budget: int | None, over: int, unjudged: bool) -> None:
    image = ImageSize("api", size, budget=budget)
    assert (image.over, image.unjudged) == (over, unjudged)


OVER = SizeReport(
    "1.1.0",
    (
        ImageSize("api", 312 * MB, budget=200 * MB),
        ImageSize("mail", 400 * MB, budget=180 * MB),
        ImageSize("web", 40 * MB, budget=50 * MB),
        ImageSize("far", None, 10 * MB, budget=50 * MB),
    ),
)


def test_over_budget_fails_and_says_by_how_much() -> None:
    heard = Heard()
    with pytest.raises(Failed) as caught:
        sizes.judge(OVER, "fail", Bus(heard))
    error = caught.value
    assert (error.what, error.exit_code) == ("2 images larger than the budget", 1)
    assert error.now == "the images are built; what is deployed is untouched"
    assert error.details == (
        "mail: 400 MB, budget 180 MB: 220 MB too much",
        "api: 312 MB, budget 200 MB: 112 MB too much",
    )
    assert error.hint == "inv build.sizes --why=mail shows what takes the space"
    assert heard.texts == ["warning: the budget of far was not judged: its image is not in the local engine"]


def test_over_budget_may_only_warn() -> None:
    heard = Heard()
    sizes.judge(OVER, "warn", Bus(heard))
    assert heard.texts[1:] == [
        "warning: over budget: mail: 400 MB, budget 180 MB: 220 MB too much",
        "warning: over budget: api: 312 MB, budget 200 MB: 112 MB too much",
    ]


def test_kept_budgets_are_silent() -> None:
    heard = Heard()
    sizes.judge(replace(OVER, images=OVER.images[2:3]), "fail", Bus(heard))
    assert heard.texts == []


def test_a_build_of_some_services_keeps_what_is_known_of_the_others(tmp_path: Path) -> None:
    project = project_in(tmp_path, gone={"context": "gone"})
    first = manifest("1.0.0", api=(1 * MB, None), web=(2 * MB, None), gone=(3 * MB, None))
    sizes.remember(project, sizes.report(project, first))
    without = project_in(tmp_path)
    sizes.remember(without, sizes.report(without, manifest("1.1.0", web=(4 * MB, None), api=(None, None))))
    assert sizes.recall(without) == {
        "api": Kept("1.0.0", 1 * MB, None),
        "web": Kept("1.1.0", 4 * MB, None),
    }, "an unknown size does not replace a known one, and a service that is gone is forgotten"


KEPT = {"schema": 1, "services": {"api": {"version": "1.0.0", "unpacked": 5, "compressed": None}}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        json.dumps({**KEPT, "schema": 2}),
        json.dumps({"schema": 1}),
        json.dumps({"schema": 1, "services": []}),
        json.dumps({"schema": 1, "services": {"api": {}}}),
        json.dumps(KEPT).replace("5", "-5"),
        json.dumps(KEPT).replace("5", '"5"'),
        json.dumps(KEPT).replace("5", "true"),
    ],
)
def test_what_cannot_be_read_counts_as_nothing_kept(tmp_path: Path, text: str) -> None:
    project = project_in(tmp_path)
    path = tmp_path / ".shiptasks" / "sizes.json"
    path.parent.mkdir()
    path.write_text(text)
    assert sizes.recall(project) == {}
    sizes.remember(project, sizes.report(project, manifest("1.0.0", api=(5, None))))
    assert sizes.recall(project) == {"api": Kept("1.0.0", 5, None)}
    assert json.loads(path.read_text()) == KEPT
    assert [each.name for each in path.parent.iterdir()] == ["sizes.json"], "nothing is left beside it"
