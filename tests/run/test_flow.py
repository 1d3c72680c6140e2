from __future__ import annotations

import io
import time
from collections.abc import Sequence
from pathlib import Path

from shiptasks.run import process
from shiptasks.run.events import Bus, Event, StepFinished, StepOutput
from shiptasks.run.flow import BEYOND, LIMIT, MOST_LINES, Flow
from shiptasks.run.plain import Plain
from shiptasks.run.runlog import RunLog


def test_up_to_the_limit_all_and_then_the_last_lines() -> None:
    told: list[tuple[str, str]] = []

    def tell(lines: Sequence[str], stream: str) -> None:
        told.extend((line, stream) for line in lines)

    flow = Flow(tell, limit=10)
    flow.lines(["one", "two"], "stdout")
    flow.lines(["three"], "stderr")
    flow.lines([str(number) for number in range(3000)], "stdout")
    flow.lines(["last"], "stderr")
    assert told == [("one", "stdout"), ("two", "stdout"), ("three", "stderr"), (BEYOND, "stderr")]
    flow.finish()
    assert [line for line, _ in told[4:]] == [*map(str, range(1001, 3000)), "last"]
    assert told[-1] == ("last", "stderr")
    flow.finish()
    assert len(told) == 2004


def test_a_step_that_never_stops_writing_is_told_to_the_limit_and_then_its_end() -> None:
    class Collect:
        def __init__(self) -> None:
            self.size = 0
            self.last: list[Event] = []

        def handle(self, event: Event) -> None:
            self.size += len(event.line) if isinstance(event, StepOutput) else 0
            self.last = [*self.last[-2:], event]

    collect = Collect()
    with Bus(collect).step("loud") as step:
        for number in range(60):
            step.lines(["x" * 1_000_000, f"line {number}"], "stderr")
    assert collect.size < LIMIT + 3_000_000
    assert isinstance(collect.last[1], StepOutput)
    assert collect.last[1].line == "line 59"
    assert collect.last[1].stream == "stderr"
    assert isinstance(collect.last[2], StepFinished)


def test_very_many_lines_have_an_end_too() -> None:
    told: list[str] = []
    flow = Flow(lambda lines, _: told.extend(lines))
    for _ in range(60):
        flow.lines([""] * 10_000, "stdout")
    flow.finish()
    assert MOST_LINES <= told.index(BEYOND) <= MOST_LINES + 10_000
    assert len(told) == told.index(BEYOND) + 1 + 2_000


def test_a_command_that_writes_very_much_costs_little_and_keeps_its_order(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    bus = Bus(log, Plain(io.StringIO()))
    bus.secrets.add("a-secret-value")
    began = time.monotonic()
    with bus.step("loud") as step:
        process.run(["seq", "1", "8000000"], cwd=tmp_path, on_lines=step.lines, keep=0)
    assert time.monotonic() - began < 20  # it takes less than one
    told = [line.partition('"line": "')[2].partition('"')[0] for line in log.path.read_text().splitlines()[1:-1]]
    cut = told.index(BEYOND)
    assert told[:cut] == [str(number) for number in range(1, cut + 1)]
    assert told[cut + 1 :] == [str(number) for number in range(8_000_000 - 1_999, 8_000_001)]
    assert log.path.stat().st_size < 80_000_000
