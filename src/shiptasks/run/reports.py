"""The reports that CI takes from a run, in the folder of the run; `.shiptasks/reports/` has those of the last one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from shiptasks.run.events import Listener
from shiptasks.run.files import prefix_of
from shiptasks.run.junit import JUnitFile
from shiptasks.run.sarif import SarifFile


def reports(folder: Path, state_dir: Path, root: Path, tools: Mapping[str, str]) -> tuple[Listener, ...]:
    """Listeners that write `findings.sarif` and `junit.xml` into the run's `folder` and for CI when the run ends.

    `tools` are the names of the tools, as their findings have them, by the ids of their stages.
    """
    last = state_dir / "reports"
    return SarifFile(folder, last, prefix=prefix_of(root), tools=tools), JUnitFile(folder, last)
