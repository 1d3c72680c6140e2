"""The events of one check: what ends well, what fails with findings and without, and what others write."""

from __future__ import annotations

from collections.abc import Iterator

from shiptasks.plugins.protocols import Severity
from shiptasks.run.events import (
    Event,
    Failure,
    Notice,
    Outcome,
    RunFinished,
    RunStarted,
    StepFinding,
    StepFinished,
    StepOutput,
    StepProgress,
    StepStarted,
)

SECRET = "hunter22-hunter22"
AT = 1_795_250_000.0

_Found = tuple[str, int, int, str, str, Severity, bool]


def recorded() -> list[Event]:
    """All events, in order."""
    return [*begun(), *ended()]


def begun() -> list[Event]:
    """Up to the moment when four steps run."""
    return [
        RunStarted(run_id="20261121T081320Z-3f9ac1", task="check", project="shop", at=AT),
        _step("1", "lint ruff"),
        _step("2", "lint mypy"),
        _step("3", "test unit"),
        _step("4", "lint yamllint"),
        StepOutput(step="2", line="\x1b[32mchecking\x1b[0m the worker\x07", at=AT),
        StepProgress(step="3", text="waiting for postgres", at=AT),
    ]


def ended() -> list[Event]:
    return [
        _step("5", "lint format"),
        _end("5", "cached", 0.01, "unchanged since 07:12"),
        *_failed_with_findings(),
        *_failed_with_output(),
        *_advisory(),
        _step("6", "test web"),
        _end("6", "ok", 3.21, "12 passed, 1 flaky: cart › keeps its items"),
        Notice(text="flaky: src/cart.test.ts › keeps its items", level="warning", at=AT + 4),
        _step("7", "test integration"),
        _end("7", "skipped", 0.0, "test unit has failed"),
        Failure(
            what="3 of 7 checks failed: lint ruff, lint mypy, test unit",
            hint="inv check --only=lint.ruff,lint.mypy,test.unit",
            at=AT + 5,
        ),
        RunFinished(outcome="failed", seconds=5.2, exit_code=1, summary="4 of 7 passed", at=AT + 5.2),
    ]


def _failed_with_findings() -> Iterator[Event]:
    yield from _found(
        "1",
        "ruff",
        ("api/app.py", 12, 5, "F401", "`os` imported but unused", "high", True),
        ("services/checkout/src/checkout/adapters/http/controllers/order_lines.py", 112, 5, "E501",
         "Line too long (131 > 120)", "medium", True),
        ("api/app.py", 3, 1, "I001", "Import block is un-sorted | or un-formatted\n::error::forged", "medium", True),
    )  # fmt: skip
    yield _end("1", "failed", 0.42, "3 findings")
    yield from _found(
        "2",
        "mypy",
        ("api/app.py", 3, 1, "attr-defined",
         'Module "api.models" has no attribute "Order"; maybe "OrderLine" or "Orders"?', "high", True),
    )  # fmt: skip
    yield _end("2", "failed", 2.5, "1 finding")


def _failed_with_output() -> Iterator[Event]:
    for number in range(40):
        yield StepOutput(step="3", line=f"tests/unit/test_{number:02}.py ......", at=AT)
    for line in (
        "::error::forged by a test",
        "##[command]forged as well",
        "\x1b]0;title\x07\x1b[2J\x1b[31mFAILED\x1b[0m tests/unit/test_cart.py::test_total",
        f"E   postgres://shop:{SECRET}@127.0.0.1/shop",
        "broken \ufffd\ufffd bytes, wide 漢字, ``` and </details>",
    ):
        yield StepOutput(step="3", line=line, stream="stderr", at=AT)
    yield _end("3", "failed", 4.0, "1 failed, 39 passed")


def _advisory() -> Iterator[Event]:
    yield from _found("4", "yamllint", ("deploy/a.yml", 1, 0, "document-start", 'missing "---"', "low", False))
    yield _end("4", "warned", 0.3, "1 finding")


def _found(step: str, tool: str, *found: _Found) -> Iterator[Event]:
    for file, line, column, rule, message, severity, blocking in found:
        yield StepFinding(
            step=step, tool=tool, file=file, line=line, column=column, rule=rule, message=message,
            severity=severity, blocking=blocking, at=AT,
        )  # fmt: skip


def _step(step: str, title: str) -> StepStarted:
    alone = f"inv check --only={'.'.join(title.split())}"
    return StepStarted(step=step, title=title, stage=title.split()[0], alone=alone, at=AT)


def _end(step: str, outcome: Outcome, seconds: float, detail: str) -> StepFinished:
    return StepFinished(step=step, outcome=outcome, seconds=seconds, detail=detail, at=AT + seconds)
