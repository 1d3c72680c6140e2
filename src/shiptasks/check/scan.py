"""A scanner as a stage of a check: what it wrote becomes findings, and the worst of them decide.

A scanner that wrote nothing that can be read has failed: it is never clean by silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import get_args

from shiptasks.plugins.protocols import BLOCKING, Finding, Scanner, Severity

_ORDER: tuple[Severity, ...] = get_args(Severity)


def judge(scanner: Scanner, stdout: str, stderr: str, exit_code: int, tell: Callable[[str], None]) -> tuple[bool, str]:
    """Whether nothing blocks, and a few words for the stage. `tell` gets each finding, the worst first."""
    try:
        found = sorted(scanner.findings(stdout, stderr, exit_code), key=lambda one: _ORDER.index(one.severity))
    except Exception as error:
        return False, f"what it wrote cannot be read: {type(error).__name__}: {error}"
    for one in found:
        tell(str(one))
    return not any(one.severity in BLOCKING for one in found), _words(found)


def _words(found: list[Finding]) -> str:
    counts = Counter(one.severity for one in found)
    told = ", ".join(f"{counts[severity]} {severity}" for severity in _ORDER if counts[severity])
    return f"{len(found)} finding{'s' if len(found) != 1 else ''}: {told}" if found else "nothing found"
