from __future__ import annotations

import threading

import pytest

from shiptasks.errors import Failed, Interrupted
from shiptasks.run.events import Bus, Event, Notice, StepFinished, StepOutput, StepStarted


class Collect:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def handle(self, event: Event) -> None:
        self.events.append(event)


class Broken:
    def __init__(self) -> None:
        self.calls = 0

    def handle(self, event: Event) -> None:
        self.calls += 1
        raise OSError("No space left on device")


def finished(listener: Collect) -> StepFinished:
    return next(event for event in listener.events if isinstance(event, StepFinished))


def test_a_step_tells_its_start_output_and_end() -> None:
    listener = Collect()
    with Bus(listener).step("pull", stage="stage", host="web1", service="api") as step:
        step.output("layer", "stderr")
        step.detail = "3 layers"
    started, output, end = listener.events
    assert isinstance(started, StepStarted)
    assert (started.title, started.stage, started.host, started.service) == ("pull", "stage", "web1", "api")
    assert isinstance(output, StepOutput)
    assert (output.step, output.line, output.stream) == (started.step, "layer", "stderr")
    assert isinstance(end, StepFinished)
    assert (end.outcome, end.detail) == ("ok", "3 layers")


@pytest.mark.parametrize(
    ("error", "outcome", "detail"),
    [
        (Failed("it broke"), "failed", "it broke"),
        (ValueError("x"), "failed", ""),
        (KeyboardInterrupt(), "interrupted", ""),
        (Interrupted("stopped"), "interrupted", ""),
    ],
)
def test_a_step_whose_body_raises(error: BaseException, outcome: str, detail: str) -> None:
    listener = Collect()
    with pytest.raises(type(error)), Bus(listener).step("x"):
        raise error
    assert (finished(listener).outcome, finished(listener).detail) == (outcome, detail)


def test_a_detail_that_the_body_set_is_kept_when_it_raises() -> None:
    listener = Collect()
    bus = Bus(listener)

    def body() -> None:
        with bus.step("x") as step:
            step.detail = "2 of 3"
            raise Failed("it broke")

    with pytest.raises(Failed):
        body()
    assert finished(listener).detail == "2 of 3"


def test_a_listener_that_raises_is_dropped_and_the_others_hear_on(capfd: pytest.CaptureFixture[str]) -> None:
    broken, listener = Broken(), Collect()
    bus = Bus(broken, listener)
    bus.notice("one")
    bus.notice("two")
    assert broken.calls == 1
    assert [event.text for event in listener.events if isinstance(event, Notice)] == ["one", "two"]
    assert "Broken stopped: No space left on device" in capfd.readouterr().err


def test_steps_of_many_threads_have_names_of_their_own() -> None:
    listener = Collect()
    bus = Bus(listener)

    def work() -> None:
        for _ in range(50):
            with bus.step("x") as step:
                step.output("y")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [event.step for event in listener.events if isinstance(event, StepStarted)]
    assert len(names) == len(set(names)) == 200
