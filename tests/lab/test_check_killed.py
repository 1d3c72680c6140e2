"""`inv check` of the demo repository, killed at random moments: what the next one finds, and what is left after it."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shiptasks.run.lease import NAME
from shiptasks.run.leftovers import CHECK_LABEL
from shiptasks.run.marked import find
from tests.lab.proc import run as shell

pytestmark = pytest.mark.usefixtures("lab_images")

DEMO = Path(__file__).parents[2] / "examples" / "demo-repo"
KILLS = 20
LONGEST = 6.0  # seconds; a whole check takes about 20


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns(".shiptasks", ".git", "__pycache__", ".*_cache", ".env.*")
    return Path(shutil.copytree(DEMO, tmp_path / "shop", ignore=ignored))


def check(shop: Path, temporary: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "invoke", "check"],
        cwd=shop,
        env={**os.environ, "TMPDIR": str(temporary), "CI": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_after_twenty_kills_one_check_leaves_nothing_behind(shop: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    moments = random.Random(4)
    met = {"containers": 0, "processes": 0, "folders": 0}
    for _ in range(KILLS):
        process = check(shop, temporary)
        time.sleep(moments.uniform(0.1, LONGEST))
        process.kill()
        process.communicate(timeout=30)
        met["containers"] += bool(containers(shop))
        met["processes"] += bool(find(runs(shop)))
        met["folders"] += bool(list(temporary.glob("st-*")))
    assert all(met.values()), met  # else this test would show nothing
    last = check(shop, temporary)
    out, _ = last.communicate(timeout=180)
    assert last.returncode == 0, out
    assert re.search(r"removed what \d+ killed runs? left: ", out)
    assert containers(shop) == []
    assert find(runs(shop)) == []
    assert list(temporary.iterdir()) == []
    assert list((shop / ".shiptasks" / "runs").glob(f"*/{NAME}")) == []


def runs(shop: Path) -> list[str]:
    return [folder.name for folder in (shop / ".shiptasks" / "runs").iterdir()]


def containers(shop: Path) -> list[str]:
    """The containers of all runs of this copy, in whatever state."""
    listed = shell(["docker", "ps", "--all", "--format", f'{{{{.ID}}}} {{{{.Label "{CHECK_LABEL}"}}}}']).stdout
    known = set(runs(shop))
    return [line for line in listed.splitlines() if line.split()[-1] in known]
