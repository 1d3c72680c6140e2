"""Runs one `docker buildx bake` for all targets of a plan; of one that failed it makes an error that shows the line."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from shiptasks.build import cache
from shiptasks.build.bakelog import Plain, RawJson, Reader
from shiptasks.build.engine import Engine
from shiptasks.build.plan import BuildPlan, Target
from shiptasks.build.progress import Failing, Tracker
from shiptasks.errors import Failed

NOW = "no manifest was written; what is deployed is untouched"
_SHOWN_LINES = 20


def run_bake(plan: BuildPlan, engine: Engine, tracker: Tracker, builder: tuple[str, ...]) -> dict[str, Any]:
    """Run bake, with its caches put in their places afterwards; the steps of all services have ended then."""
    caches = [one for target in plan.targets for one in target.caches]
    ready = replace(plan, targets=tuple(_with_present_caches(target, plan.root) for target in plan.targets))
    done = False
    try:
        metadata = _bake(ready, engine, tracker, builder)
        done = True
    except Failed:
        raise
    except BaseException:
        tracker.close("interrupted")
        raise
    finally:
        for one in caches:
            cache.rotate(one, plan.root, ok=done)
    tracker.close("ok")
    return metadata


def _with_present_caches(target: Target, root: Path) -> Target:
    if not target.caches:
        return target
    there = [cache.present(one, root) for one in target.caches]
    return replace(target, cache_from=tuple(dict.fromkeys(entry for one in there for entry in one.imports)))


def _bake(plan: BuildPlan, engine: Engine, tracker: Tracker, builder: tuple[str, ...]) -> dict[str, Any]:
    """Run bake to its end; what it says of the images, by service."""
    from shiptasks.run.process import run

    reader: Reader = RawJson() if engine.raw_json else Plain()

    def on_line(line: str, _stream: str) -> None:
        for record in reader.feed(line):
            tracker.take(record)

    with tempfile.TemporaryDirectory(prefix="shiptasks-") as folder:
        # A file, not standard input: there bake would first try to read it as a Compose file, and warn.
        bakefile, metadata = Path(folder, "docker-bake.json"), Path(folder, "metadata.json")
        bakefile.write_text(json.dumps(plan.bake()), encoding="utf-8")
        result = run(
            [
                "docker",
                "buildx",
                "bake",
                *builder,
                f"--file={bakefile}",
                f"--metadata-file={metadata}",
                f"--progress={'rawjson' if engine.raw_json else 'plain'}",
            ],
            cwd=plan.root,
            # Attestations carry the time of the build: with them nothing could be built twice to the same digest.
            env={**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
            check=False,
            on_line=on_line,
            keep=100_000,
        )
        if not result.ok:
            raise _failed(plan, tracker, result.exit_code)
        text = metadata.read_text(encoding="utf-8") if metadata.is_file() else "{}"
    answer: dict[str, Any] = json.loads(text)
    # With a single target some versions leave out the level of the services.
    if len(plan.targets) == 1 and plan.targets[0].service not in answer:
        answer = {plan.targets[0].service: answer}
    return answer


def _failed(plan: BuildPlan, tracker: Tracker, exit_code: int) -> Failed:
    """The error of a bake that failed; ends the steps that are still open."""
    failing = tracker.failing()
    line, excerpt = _place(tracker.texts)
    target = _at_fault(plan, failing, tracker.texts, line, excerpt)
    tracker.close("failed", target.service if target else "")
    where = ""
    if target is not None:
        where = str(target.dockerfile.relative_to(plan.root)) + (f":{line}" if line else "")
    log = failing.lines[-_SHOWN_LINES:] if failing else ()
    details = (*excerpt, *(("", *log) if log and excerpt else log))
    whose = target.service if target else plan.project
    return Failed(
        f"the image of {whose} did not build: {_reason(failing, tracker.texts, exit_code)}",
        where=where,
        now=NOW,
        hint=f"correct it, then inv build --version={plan.version}",
        details=details,
    )


def _place(texts: list[str]) -> tuple[int, tuple[str, ...]]:
    """The line in the Dockerfile, and the excerpt that shows it, from the lines that buildx writes at the end.

    0 and nothing when it does not say: the failure was not in a Dockerfile.
    """
    for index, text in enumerate(texts):
        match = re.fullmatch(r"\S.*:(\d+)", text)
        if match and index + 1 < len(texts) and re.fullmatch(r"-{10,}", texts[index + 1]):
            excerpt = []
            for line in texts[index + 2 :]:
                if re.fullmatch(r"-{10,}", line):
                    break
                excerpt.append(line.rstrip())
            return int(match[1]), tuple(excerpt)
    return 0, ()


def _at_fault(
    plan: BuildPlan, failing: Failing | None, texts: list[str], line: int, excerpt: tuple[str, ...]
) -> Target | None:
    """The target that failed: as the log says, else the only one whose Dockerfile has the excerpt at that line."""
    if len(plan.targets) == 1:
        return plan.targets[0]
    if failing:
        return next(target for target in plan.targets if target.service == failing.service)
    named = re.search(r"^ERROR: target (\S+): ", "\n".join(texts), re.MULTILINE)
    if named:
        return next((target for target in plan.targets if target.service == named[1]), None)
    shown = [text.partition("| >>> ")[2] for text in excerpt if "| >>> " in text]
    alike = []
    for target in plan.targets:
        lines = target.dockerfile.read_text(encoding="utf-8", errors="replace").splitlines()
        if line and shown and lines[line - 1 : line] == shown[:1]:
            alike.append(target)
    return alike[0] if len(alike) == 1 else None


def _reason(failing: Failing | None, texts: list[str], exit_code: int) -> str:
    if failing:
        name = re.sub(r"^\[[^\]]*\] ", "", " ".join(failing.name.split()))
        code = re.search(r"exit code: \d+", failing.error)
        return f"{name if len(name) <= 100 else name[:99] + '…'}: {code[0] if code else failing.error}"
    errors = [text.removeprefix("ERROR: ") for text in texts if text.startswith("ERROR: ")]
    return errors[-1].removeprefix("failed to solve: ") if errors else f"docker buildx bake ended with code {exit_code}"
