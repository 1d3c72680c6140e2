from __future__ import annotations

import io

from shiptasks.errors import Failed
from shiptasks.run.events import Bus, RunFinished, StepFinding, StepHandle
from shiptasks.run.plain import Plain

END = RunFinished(outcome="failed", seconds=1, exit_code=1)


def found(bus: Bus, step: StepHandle, count: int = 1, *, blocking: bool = True, tool: str = "ruff") -> None:
    for number in range(count):
        bus.emit(
            StepFinding(
                step=step.step, tool=tool, file="a.py", line=number + 1, column=0, rule="E1", message="wrong",
                severity="high", blocking=blocking,
            )
        )  # fmt: skip


def told(*, verbose: bool = False, quiet: bool = False) -> tuple[Bus, io.StringIO]:
    stream = io.StringIO()
    return Bus(Plain(stream, columns=80, verbose=verbose, quiet=quiet)), stream


def after(stream: io.StringIO, word: str) -> list[str]:
    lines = stream.getvalue().splitlines()
    return lines[next(number for number, line in enumerate(lines) if word in line) :]


def test_output_is_shown_once_and_in_full_at_the_end() -> None:
    bus, stream = told()
    with bus.step("test unit", stage="test", alone="inv check --only=test.unit") as step:
        for number in range(100):
            step.output(f"line {number}")
        step.outcome = "failed"
    assert "line 5" not in stream.getvalue()
    bus.emit(END)
    assert after(stream, "── test unit ")[1:] == [
        *(f"line {number}" for number in range(100)),
        "  alone  inv check --only=test.unit",
        "✗ run failed in 1.0s",
    ]


def test_of_a_very_long_output_the_last_lines_with_the_way_to_all() -> None:
    bus, stream = told()
    with bus.step("test unit", stage="test", alone="inv check --only=test.unit") as step:
        step.lines([f"line {number}" for number in range(5_000)])
        step.outcome = "failed"
    bus.emit(END)
    lines = after(stream, "── test unit ")
    assert lines[1] == "[3,000 lines before these: inv log --last --stage=test.unit]"
    assert lines[2] == "line 3000"
    assert lines[2001:2003] == ["line 4999", "  alone  inv check --only=test.unit"]


def test_a_step_that_cannot_run_alone_shows_its_last_lines_at_once() -> None:
    bus, stream = told()
    try:
        with bus.step("pull images", host="web1") as step:
            step.lines([f"line {number}" for number in range(100)])
            raise Failed("no")
    except Failed:
        pass
    assert stream.getvalue().splitlines()[1:] == [f"    line {number}" for number in range(70, 100)]
    bus.emit(END)
    assert "──" not in stream.getvalue()


def test_findings_stand_for_the_output_of_a_linter_and_beside_that_of_a_test() -> None:
    bus, stream = told()
    for kind in ("lint", "test"):
        with bus.step(f"{kind} it", stage=kind, alone=f"inv check --only={kind}.it") as step:
            step.output(f"output of {kind}")
            found(bus, step)
            step.outcome = "failed"
    bus.emit(END)
    assert after(stream, "── findings ")[1:] == [
        "  a.py:1  high  ruff E1  wrong",
        "  a.py:1  high  ruff E1  wrong",
        "  alone  inv check --only=lint.it",
        f"── test it {'─' * 69}",
        "output of test",
        "  alone  inv check --only=test.it",
        "✗ run failed in 1.0s",
    ]


def test_findings_beyond_the_table_are_counted_with_the_way_to_them() -> None:
    bus, stream = told()
    with bus.step("lint ruff", stage="lint", alone="inv check --only=lint.ruff") as step:
        found(bus, step, 60)
        step.outcome = "failed"
    bus.emit(END)
    lines = after(stream, "── findings ")
    assert lines[51] == "  and 10 more: inv log --last --stage=lint.ruff"


def test_findings_that_do_not_block_are_counted_and_with_verbose_shown() -> None:
    for verbose in (False, True):
        bus, stream = told(verbose=verbose)
        with bus.step("lint words", stage="lint", alone="inv check --only=lint.words") as step:
            found(bus, step, 2, blocking=False, tool="codespell")
            step.outcome = "warned"
        bus.emit(RunFinished(outcome="ok", seconds=1, exit_code=0))
        lines = stream.getvalue().splitlines()[1:]
        if verbose:
            assert lines[1:-1] == ["  a.py:1  high  codespell E1  wrong", "  a.py:2  high  codespell E1  wrong"]
        else:
            assert lines[:-1] == ["  not blocking: 2 (codespell 2); --verbose shows them"]


def test_quiet_says_nothing_of_what_is_well() -> None:
    bus, stream = told(quiet=True)
    with bus.step("lint words", stage="lint", alone="inv check --only=lint.words") as step:
        step.output("fine")
        found(bus, step, blocking=False)
    bus.notice("by the way")
    bus.notice("be careful", "warning")
    bus.notice("this is bad", "error")
    bus.emit(RunFinished(outcome="ok", seconds=1, exit_code=0))
    assert stream.getvalue().splitlines() == ["error: this is bad", "✓ run done in 1.0s"]


def test_memory_of_what_has_passed_is_given_back() -> None:
    plain = Plain(io.StringIO())
    bus = Bus(plain)
    for outcome in ("ok", "failed"):
        with bus.step(f"test {outcome}", stage="test", alone="x") as step:
            step.lines(["x" * 100] * 1_000)
            step.outcome = outcome
    kept = [len(each.output.lines()) for each in plain.results.steps.values()]
    assert kept == [0, 1_000]
