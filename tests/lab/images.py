"""Base images: uses what is there, pulls what can be pulled, and builds stand-ins of the same name for the rest."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.lab import rootfs
from tests.lab.proc import Echo, LabError, run, tail

# Name that a user would pull -> folder with the stand-in's recipe. The versions are those of Debian 13.
RECIPES = {
    "python:3.13-slim": "python",
    "postgres:17": "postgres",
    "redis:7": "redis",
    "haproxy:3.0": "haproxy",
    "nginx:1.26": "nginx",
}
NAMES = tuple(RECIPES)
BASE = "shiptasks-lab/base:trixie"
LABEL = "shiptasks.lab.recipe"
FOLDER = Path(__file__).parent / "recipes"
# Seconds that a pull may stay without a word before the registry counts as out of reach.
PULL_SILENCE = 15

_cannot_pull = threading.Event()


def ensure(names: Iterable[str], echo: Echo) -> dict[str, str]:
    """Make sure that images of these names exist. Returns for each what it is: "there", "pulled" or "stand-in".

    Raises LabError for a name without a recipe that cannot be pulled, and if a build fails.
    """
    wanted = list(dict.fromkeys(names))
    labels = _labels([*wanted, BASE])
    result = {name: "there" for name in wanted if name in labels and labels[name] is None}
    result |= {name: "stand-in" for name in wanted if labels.get(name) and labels[name] == recipe(name)}
    missing = [name for name in wanted if name not in result]
    if not missing:
        return result
    with ThreadPoolExecutor(max_workers=8) as pool:
        pulled = dict(zip(missing, pool.map(_pull, missing), strict=True))
    result |= {name: "pulled" for name, done in pulled.items() if done}
    left = [name for name in missing if not pulled[name]]
    if not left:
        return result
    unknown = [name for name in left if name not in RECIPES]
    if unknown:
        raise LabError(f"cannot pull {', '.join(unknown)}, and there is no stand-in for it here")
    echo(f"cannot pull {', '.join(left)}: building stand-ins from Debian packages")
    if labels.get(BASE) != rootfs.recipe():
        _import_base(rootfs.ensure(echo))
    started = time.monotonic()
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(_build, left))
    echo(f"{len(left)} stand-in images built in {time.monotonic() - started:.0f} s")
    return result | dict.fromkeys(left, "stand-in")


def recipe(name: str) -> str:
    """A digest of all that goes into a stand-in; an image that carries another one is built anew."""
    digest = hashlib.sha256(rootfs.recipe().encode())
    for file in sorted((FOLDER / RECIPES[name]).iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _labels(names: Sequence[str]) -> dict[str, str | None]:
    """For each image that exists its recipe label; None for one that the lab did not make."""
    label = '{{with .Config}}{{with .Labels}}{{index . "LABEL"}}{{end}}{{end}}'.replace("LABEL", LABEL)
    template = "{{json .RepoTags}}\t" + label
    answer = run(["docker", "image", "inspect", "--format", template, *names], check=False)
    found: dict[str, str | None] = {}
    for line in filter(None, answer.stdout.splitlines()):  # an image that is missing leaves an empty line
        tags, _, label = line.partition("\t")
        for tag in json.loads(tags) or []:
            found[tag] = label.strip() or None
    return {name: found[name] for name in names if name in found}


def _pull(name: str) -> bool:
    """Try to pull an image. False if the registry is out of reach or says no."""
    if _cannot_pull.is_set():
        return False
    with subprocess.Popen(
        ["docker", "pull", name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        # The first line comes once the registry has answered; one out of reach may stay silent for minutes.
        watchdog = threading.Timer(PULL_SILENCE, process.kill)
        watchdog.start()
        first = process.stdout.readline()
        watchdog.cancel()
        process.stdout.read()
    if process.returncode != 0 and not first:
        _cannot_pull.set()
    return process.returncode == 0


def _import_base(tar: Path) -> None:
    change = f"LABEL {LABEL}={rootfs.recipe()}"
    path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    argv = ["docker", "import", "--change", change, "--change", path, "--change", "ENV DEBIAN_FRONTEND=noninteractive"]
    run([*argv, "--change", 'CMD ["bash"]', str(tar), BASE], timeout=300)


def _build(name: str) -> None:
    argv = ["docker", "build", "--provenance=false", "--progress=plain", "-t", name]
    argv += ["--label", f"{LABEL}={recipe(name)}", str(FOLDER / RECIPES[name])]
    # The builder of the engine itself: a person's own default builder may know nothing of local images.
    env = {**os.environ, "BUILDX_BUILDER": "default", "DOCKER_BUILDKIT": "1"}
    done = run(argv, timeout=600, check=False, env=env)
    if done.returncode != 0:
        raise LabError(f"building the stand-in for {name} failed:\n{tail(done.stdout + done.stderr, 30)}")
