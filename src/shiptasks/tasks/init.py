"""`inv init`, and `python -m shiptasks init` where there is no tasks.py yet: a first configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from shiptasks.tasks._task import answer, task

if TYPE_CHECKING:
    from invoke.context import Context


@task(group="Set up", help={"plan": "show what would be written, and write nothing"})
def init(c: Context, plan: bool = False, yes: bool = False, format: str = "text") -> None:
    """Look at the repository and propose its configuration."""
    from shiptasks.onboard.look import look
    from shiptasks.onboard.propose import names, propose
    from shiptasks.onboard.write import check, diff, texts, write
    from shiptasks.run.output import printable, to_people
    from shiptasks.run.signals import confirm

    root = Path(c.config.get("shiptasks", {}).get("root", "") or _top(Path.cwd()))
    proposal = propose(look(root), texts(root))
    check(proposal, root)
    files = [change.path for change in proposal.changes]
    changes = diff(proposal.changes)
    data = {"root": str(root), "files": files, "diff": changes, "notes": list(proposal.notes)}
    told = [changes.rstrip("\n")] if files else ["nothing to do: the repository is set up"]
    told += [f"! {note}" for note in proposal.notes]
    if plan or not files:
        answer(format, {**data, "written": []}, printable("\n".join(told)))
        return
    to_people("\n".join(told), aside=format == "json")
    confirm(f"write {names(proposal.changes)} in {printable(str(root))}?", yes=yes)
    write(proposal.changes, root)
    after = f"wrote {names(proposal.changes)} in {root}\nnext: inv --list, inv config, inv doctor"
    answer(format, {**data, "written": files}, printable(after))


def _top(start: Path) -> Path:
    """The repository that a folder is in: what is set up in the git one, else its top; the folder without git."""
    from shiptasks.config.load import TABLE, find_root
    from shiptasks.config.source import read
    from shiptasks.errors import UsageError

    top = next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), None)
    if top is None:
        return start
    try:
        root = find_root(start)
        if top in (root, *root.parents) and read(root / "pyproject.toml", TABLE).table is not None:
            return root
    except UsageError:
        pass  # there is none yet, or one that `look` answers
    return top
