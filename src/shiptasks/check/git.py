"""What git is asked about the files and branches of a repository. Names of branches come from outside, files too."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from shiptasks.errors import Failed, UsageError
from shiptasks.run.process import NotInstalled, Result, run

_KEEP = 256_000_000  # bytes of names of files
_TIMEOUT = 300.0
# What a git hook runs in tells git of another folder than the one that we ask about.
_OF_HOOKS = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"})
_ESCAPE = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPED = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}


def require_commit(root: Path) -> None:
    """Raises UsageError where there is no git, no repository, or no commit in it."""
    done = _git(root, "rev-parse", "--is-inside-work-tree", check=False)
    if not done.ok and "not a git repository" not in done.stderr:
        raise _refused(root, done)
    if done.stdout.strip() != "true":
        raise UsageError(
            "what has changed is not known: this is no working tree of git", where=str(root), now="nothing was run"
        )
    if not commit_of(root, "HEAD"):
        raise UsageError(
            "what has changed is not known: there is no commit yet",
            where=str(root),
            now="nothing was run",
            hint="git commit, or leave out --changed",
        )


def commit_of(root: Path, name: str) -> str:
    """The commit that a name stands for; empty when there is none here. A name that begins with `-` is none."""
    if name.startswith("-") or "\0" in name:
        return ""
    done = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}", check=False)
    return done.stdout.strip() if done.ok else ""


def merge_base(root: Path, commit: str) -> str:
    """The commit at which HEAD and another one parted; empty when they have none in common."""
    done = _git(root, "merge-base", "--end-of-options", commit, "HEAD", check=False)
    return done.stdout.split("\n")[0].strip() if done.ok else ""


def is_shallow(root: Path) -> bool:
    return _git(root, "rev-parse", "--is-shallow-repository").stdout.strip() == "true"


def branch(root: Path) -> str:
    """The branch that is checked out; empty when none is, or there is no repository."""
    try:
        done = _git(root, "symbolic-ref", "--quiet", "HEAD", check=False)
    except UsageError:
        return ""
    return done.stdout.strip().removeprefix("refs/heads/") if done.ok else ""


def head_of_origin(root: Path) -> str:
    """The default branch of the remote, such as `origin/main`, as it was when the repository was cloned."""
    done = _git(root, "symbolic-ref", "--quiet", "refs/remotes/origin/HEAD", check=False)
    name = done.stdout.strip().removeprefix("refs/remotes/") if done.ok else ""
    return name if name and commit_of(root, f"refs/remotes/{name}") else ""


def differing(root: Path, commit: str, *, in_index: bool = False) -> Iterator[str]:
    """Files under `root` that are another in the working tree, or in the index, than in a commit; no submodules."""
    options = ("--name-only", "--relative", "--no-renames", "--diff-filter=d", "--ignore-submodules=all")
    cached = ("--cached",) if in_index else ()
    return _names(_git(root, "diff", *options, "--no-ext-diff", *cached, "--end-of-options", commit, "--", "."))


def untracked(root: Path) -> Iterator[str]:
    """Files under `root` that git does not know and does not ignore."""
    return _names(_git(root, "ls-files", "--others", "--exclude-standard", "--", "."))


def _names(done: Result) -> Iterator[str]:
    """The names in an answer of git, one a line, those of other than plain letters quoted as C has it.

    With `-z` they would come as they are, and bytes that are not UTF-8 would be lost where the answer is decoded.
    """
    if done.truncated:
        raise UsageError("more files have changed than can be told apart", now="nothing was run")
    for line in done.stdout.split("\n"):
        if line.startswith('"'):
            quoted = line.encode().removeprefix(b'"').removesuffix(b'"')
            yield os.fsdecode(_ESCAPE.sub(_unescaped, quoted))
        elif line:
            yield line


def _unescaped(match: re.Match[bytes]) -> bytes:
    text = match[1]
    return bytes((int(text, 8),)) if len(text) == 3 else _ESCAPED.get(text, text)


def _git(root: Path, *arguments: str, check: bool = True) -> Result:
    """Raises UsageError when git is not there, or with `check` when it fails."""
    environ = {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}
    environ.update(GIT_OPTIONAL_LOCKS="0", GIT_TERMINAL_PROMPT="0", LC_ALL="C")
    argv = ("git", "-c", "core.quotePath=true", *arguments)
    try:
        done = run(argv, cwd=root, env=environ, timeout=_TIMEOUT, check=False, keep=_KEEP)
    except NotInstalled:
        raise UsageError(
            "what has changed is not known: the command 'git' was not found",
            now="nothing was run",
            hint="install git, or leave out --changed",
        ) from None
    except Failed as error:
        raise UsageError(f"what has changed is not known: {error.what}", now="nothing was run") from None
    if check and not done.ok:
        raise _refused(root, done)
    return done


def _refused(root: Path, done: Result) -> UsageError:
    """Such as for a folder that belongs to somebody else; git says itself what to do."""
    return UsageError(
        "what has changed is not known: git failed", where=str(root), now="nothing was run", details=done.tail(5)
    )
