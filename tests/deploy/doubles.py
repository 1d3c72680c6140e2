"""A session that only records, for what is written to a program on the host and read from it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from shiptasks.hosts.base import OnLine, Result

DATA = Path(__file__).parent / "data"


def recorded(name: str) -> str:
    """What a program really wrote once."""
    return (DATA / f"{name}.txt").read_text(encoding="utf-8")


class ScriptedSession:
    """Answers each script with the next of its answers, or with the last one; `asked` has what was sent."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)
        self.scripts: list[str] = []
        self.asked: list[str] = []

    def run(
        self,
        script: str,
        *,
        stdin: bytes | None = None,
        timeout: float | None = None,
        check: bool = True,
        on_line: OnLine | None = None,
    ) -> Result:
        self.scripts.append(script)
        self.asked.append((stdin or b"").decode())
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return Result(0, answer, "", 0.0)

    def eval_here(self, script: str, *, timeout: float | None = None, check: bool = True) -> Result:
        return self.run(script)

    def put(self, data: bytes, path: str, *, mode: int = 0o644) -> None:
        raise AssertionError(f"nobody should write {path}")

    @property
    def running(self) -> bool:
        return False

    def cancel(self) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> ScriptedSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
