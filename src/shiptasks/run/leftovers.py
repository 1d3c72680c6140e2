"""What a run makes outside of its folder, and who removes it: the run itself at its end, else the next one.

`owned` is around a run; `sweep`, at the start of the next, removes what runs left that were killed: their processes,
containers with their volumes, and temporary folders. Before a thing is made it is noted in the run's folder, so that
there is no moment in which it could be lost, and a sweep with nothing to do asks nobody.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from shiptasks.errors import Failed, Refused
from shiptasks.run import marked
from shiptasks.run.engine import client, endpoint
from shiptasks.run.lease import NAME, Lease, claimed, identity, owe, owed

if TYPE_CHECKING:
    from docker import DockerClient

Tell = Callable[[str], None]
"""Takes a sentence for the person."""

CHECK_LABEL = "shiptasks.check"
"""Label of a container: the id of the run that it belongs to."""
LEASE_LABEL = "shiptasks.lease"
"""Label of a container: `<identity>:<path of the lease>`, see `Lease.label`."""

_CONTAINERS, _FOLDER = "containers", "folder"
_FOLDER_NAME = re.compile(r"st-[0-9a-f]{6}")
_PATIENCE = 5.0  # seconds for an answer of the engine


@contextmanager
def owned(folder: Path, tell: Tell) -> Iterator[Lease]:
    """Hold the lease of the run whose folder this is; at the end nothing of the run is left but that folder.

    What runs in the block has to get `environ(lease)`. Processes that it left are ended, also those that have made
    themselves daemons. Raises Failed when the lease cannot be written.
    """
    lease = Lease.take(folder)
    try:
        yield lease
    finally:
        if lease.held:
            _end_processes({lease.run_id}, tell)
            remove_temporary(folder, tell)
            lease.release()


def environ(lease: Lease) -> dict[str, str]:
    """The variable that every process of a run carries, by which it is found again."""
    return {marked.MARK: lease.run_id}


def sweep(state_dir: Path, tell: Tell) -> None:
    """Remove what dead runs of this repository left, and say so. What lives is never touched.

    What cannot be removed is told, and tried again by the next sweep. Raises nothing of its own.
    """
    leases = sorted((state_dir / "runs").glob(f"*/{NAME}"))
    with ExitStack() as stack:
        dead = [path.parent for path in leases if stack.enter_context(claimed(path))]
        if not dead:
            return
        counts = {"process": _end_processes({folder.name for folder in dead}, tell)}
        counts["container"] = _sweep_containers(state_dir, dead, tell)
        counts["temporary folder"] = sum(remove_temporary(folder, tell) for folder in dead)
        for folder in dead:
            if not owed(folder):
                with suppress(OSError):
                    (folder / NAME).unlink()
        removed = [_count(number, name) for name, number in counts.items() if number]
        if removed:
            tell(f"removed what {_count(len(dead), 'killed run')} left: {', '.join(removed)}")


def temporary(run_folder: Path) -> Path:
    """Make a temporary folder of a run: short, as sockets need it, and for nobody else to read.

    `remove_temporary` removes it at the end of the run, or the next sweep. Raises Failed when it cannot be made.
    """
    folder = Path(tempfile.gettempdir()) / f"st-{secrets.token_hex(3)}"
    try:
        note = owe(run_folder, _FOLDER, str(folder))
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:  # somebody else's: not ours to remove
            note.unlink()
            return temporary(run_folder)
    except OSError as error:
        raise Failed(
            f"a temporary folder cannot be made: {error.strerror}",
            where=str(error.filename),
            now="nothing was run",
            hint="TMPDIR names another place for it",
        ) from None
    return folder


def remove_temporary(run_folder: Path, tell: Tell) -> int:
    """Remove the temporary folders of a run; how many were there. What cannot be removed is told, and stays noted."""
    removed = 0
    for note in owed(run_folder, _FOLDER):
        try:
            folder = Path(note.read_text(encoding="utf-8"))
            if _is_ours(folder):
                _remove_tree(folder)
                removed += 1
            note.unlink()
        except OSError as error:
            tell(f"{error.filename} cannot be removed: {error.strerror}; the next check tries again")
    return removed


def expect_containers(run_folder: Path) -> Path:
    """Note, before the first is made, that a run will have containers on the engine in use; remove the note when they
    are gone."""
    return owe(run_folder, _CONTAINERS, endpoint())


def remove_orphans(api: DockerClient, state_dir: Path) -> None:
    """Remove containers of this checkout whose runs are known to nobody any more.

    Such as one that the engine was still making when its run was killed and swept, or whose run's folder was removed.
    """
    remove_containers(api, _left(api, state_dir, ()))


def remove_containers(api: DockerClient, ids: Sequence[str]) -> list[str]:
    """Remove containers with their anonymous volumes, side by side; a sentence for each that could not be."""
    from concurrent.futures import ThreadPoolExecutor

    from docker.errors import APIError, NotFound
    from requests.exceptions import RequestException

    def remove(container: str) -> str:
        try:
            api.api.remove_container(container, v=True, force=True)
        except NotFound:
            pass
        except (APIError, RequestException) as error:
            if "already in progress" not in str(error):
                return f"the container {container[:12]} cannot be removed: {error}"
        return ""

    if not ids:
        return []
    with ThreadPoolExecutor(max_workers=min(8, len(ids))) as pool:
        return [problem for problem in pool.map(remove, ids) if problem]


def _sweep_containers(state_dir: Path, dead: Collection[Path], tell: Tell) -> int:
    notes = [note for folder in dead for note in owed(folder, _CONTAINERS)]
    if not notes:
        return 0
    here = endpoint()
    mine = []
    for note in notes:
        there = note.read_text(encoding="utf-8")
        if there == here:
            mine.append(note)
        else:
            tell(f"a killed run may have left containers on {there}: DOCKER_HOST={there} inv check removes them")
    if not mine:
        return 0
    try:
        with client(now="", timeout=_PATIENCE) as api:
            ids = _left(api, state_dir, {folder.name for folder in dead})
            problems = remove_containers(api, ids)
    except Refused as refused:
        tell(f"{refused.what}: containers that a killed run left are removed when it does")
        return 0
    for problem in problems:
        tell(f"{problem}; the next check tries again")
    if not problems:
        for note in mine:
            note.unlink(missing_ok=True)
    return len(ids) - len(problems)


def _left(api: DockerClient, state_dir: Path, dead: Collection[str]) -> list[str]:
    """Containers of runs whose leases are claimed, and of runs of this very checkout whose lease is gone."""
    here = identity(state_dir.absolute().parent)
    left = []
    for container in api.api.containers(all=True, filters={"label": LEASE_LABEL}):
        labels = container["Labels"]
        run_id = labels.get(CHECK_LABEL, "")
        is_here = run_id and labels[LEASE_LABEL].partition(":")[0] == here
        if run_id in dead or (is_here and not (state_dir / "runs" / run_id / NAME).exists()):
            left.append(str(container["Id"]))
    return left


def _end_processes(run_ids: Collection[str], tell: Tell) -> int:
    ended = marked.end(run_ids)
    if ended.stuck:
        tell(f"processes that a run left do not end: {', '.join(map(str, ended.stuck))}")
    return ended.count


def _is_ours(folder: Path) -> bool:
    """Whether it is a folder that `temporary` made, and not something else that is there now."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    return bool(_FOLDER_NAME.fullmatch(folder.name)) and stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _remove_tree(folder: Path) -> None:
    """Remove a folder, also where tools have taken their own right to write (as Go does for its modules)."""
    with suppress(OSError):
        shutil.rmtree(folder)
        return
    for path, names, _ in os.walk(folder):
        for inner in (Path(path, name) for name in names):
            if not inner.is_symlink():
                inner.chmod(0o700)
    shutil.rmtree(folder)


def _count(number: int, name: str) -> str:
    plural = f"{name}es" if name.endswith("s") else f"{name}s"
    return f"{number} {name if number == 1 else plural}"
