from __future__ import annotations

from typing import Any

from shiptasks.build.bakelog import Log, Record, Text, Vertex
from shiptasks.build.progress import Tracker
from shiptasks.run.events import Bus, Event, StepFinished, StepOutput, StepProgress, StepStarted


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def lines(self, step: str) -> list[str]:
        return [event.line for event in self.of(StepOutput) if event.step == step]

    def ends(self) -> dict[str, tuple[str, str]]:
        return {event.step: (event.outcome, event.detail) for event in self.of(StepFinished)}


def begun(id: str, name: str) -> Vertex:
    return Vertex(id, name, started=True, completed=False)


def ended(id: str, name: str, *, cached: bool = False, error: str = "") -> Vertex:
    return Vertex(id, name, started=True, completed=True, cached=cached, error=error)


def track(services: list[str], *records: Record, early: bool = True) -> tuple[Tracker, Recorder]:
    recorder = Recorder()
    tracker = Tracker(Bus(recorder), services, early=early)
    for record in records:
        tracker.take(record)
    return tracker, recorder


def test_a_step_a_service_that_ends_with_its_own_export() -> None:
    tracker, recorder = track(
        ["api", "web"],
        begun("1", "[api 1/3] FROM python"),
        ended("1", "[api 1/3] FROM python", cached=True),
        begun("2", "[api 2/3] RUN make"),
        ended("2", "[api 2/3] RUN make", cached=True),
        begun("3", "[api 3/3] COPY . ."),
        ended("3", "[api 3/3] COPY . ."),
        ended("4", "[api] exporting to image"),
    )
    assert [(event.title, event.service) for event in recorder.of(StepStarted)] == [("build", "api"), ("build", "web")]
    assert recorder.ends() == {"001": ("ok", "1 of 2 steps cached, 50 %")}
    tracker.close("ok")
    assert recorder.ends()["002"] == ("ok", "")
    assert tracker.summary("api")[1:] == (1, 2)


def test_a_push_goes_on_after_the_export() -> None:
    tracker, recorder = track(["api"], ended("4", "exporting to image"), early=False)
    assert recorder.ends() == {}
    tracker.close("ok")
    assert recorder.ends() == {"001": ("ok", "")}


def test_output_belongs_to_the_services_that_share_the_work() -> None:
    _, recorder = track(
        ["api", "worker", "web"],
        begun("9", "[api 2/3] RUN make"),
        begun("9", "[worker 2/4] RUN make"),
        Log("9", "half a "),
        Log("9", "line\nand the next\nrest"),
        ended("9", "[api 2/3] RUN make"),
    )
    assert recorder.lines("001") == ["[2/3] RUN make", "half a line", "and the next", "rest"]
    assert recorder.lines("002") == ["[2/4] RUN make", "half a line", "and the next", "rest"]
    assert recorder.lines("003") == []
    assert [(event.step, event.text) for event in recorder.of(StepProgress)] == [
        ("001", "2/3 RUN make"),
        ("002", "2/4 RUN make"),
    ]


def test_a_single_service_is_named_nowhere_and_a_stage_is_not_taken_for_one() -> None:
    _, recorder = track(["api"], begun("1", "[api 2/3] RUN make"), begun("2", "[builder 1/2] FROM x"))
    assert recorder.lines("001") == ["[api 2/3] RUN make", "[builder 1/2] FROM x"]


def test_work_of_nobody_is_not_told() -> None:
    _, recorder = track(["api", "web"], begun("1", "[internal] load local bake definitions"), Log("1", "x\n"))
    assert recorder.of(StepOutput) == []


def test_the_failure_is_the_first_that_failed_by_itself() -> None:
    tracker, recorder = track(
        ["api", "web"],
        ended("0", "[api] importing cache manifest from x", error="not found"),
        begun("1", "[api 2/3] RUN slow"),
        begun("2", "[web 2/2] RUN make"),
        Log("2", "no rule\n", "stderr"),
        ended("1", "[api 2/3] RUN slow", error="context canceled: context canceled"),
        ended("2", "[web 2/2] RUN make", error="exit code: 2"),
        Text("ERROR: failed to solve"),
    )
    failing = tracker.failing()
    assert failing is not None
    assert (failing.service, failing.name, failing.error) == ("web", "[2/2] RUN make", "exit code: 2")
    assert failing.lines == ("no rule",)
    tracker.close("failed", "web")
    assert recorder.ends() == {"001": ("interrupted", "stopped: web failed"), "002": ("failed", "")}
    assert recorder.lines("002")[-1] == "ERROR: failed to solve"
    assert "ERROR: failed to solve" not in recorder.lines("001")


def test_only_the_last_lines_of_a_long_log_are_kept() -> None:
    tracker, _ = track(
        ["api"],
        begun("1", "[1/1] RUN x"),
        Log("1", "".join(f"{n}\n" for n in range(500))),
        ended("1", "[1/1] RUN x", error="e"),
    )
    failing = tracker.failing()
    assert failing is not None
    assert (failing.lines[0], failing.lines[-1]) == ("460", "499")


def test_interrupted() -> None:
    tracker, recorder = track(["api", "web"], ended("4", "[api] exporting to image"))
    tracker.close("interrupted")
    assert recorder.ends() == {"001": ("ok", ""), "002": ("interrupted", "")}
