"""What git says about the sources: the commit, when it was made, where it comes from, and the version that follows."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_TAG = re.compile(r"v?((\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?)")
_SCP_LIKE = re.compile(r"(?:[^@/\s]+@)?([A-Za-z0-9.-]+):(?!//)(.+)")


@dataclass(frozen=True)
class Source:
    """The state of the working tree. All empty without git or without a commit.

    `committed` is the commit's time in ISO 8601; `tags` are those on the commit; `url` is where people read it, with
    credentials removed.
    """

    revision: str = ""
    committed: str = ""
    dirty: bool = False
    tags: tuple[str, ...] = ()
    url: str = ""

    def version(self) -> str:
        """The version that is built when none is named: that of the tag, else one that names the commit, if any."""
        if not self.revision:
            return "0.0.0-dev.uncommitted"
        exact = [match for tag in self.tags if (match := _TAG.fullmatch(tag))]
        if exact and not self.dirty:
            # Of several, the highest; a release is above its own prereleases.
            best = max(exact, key=lambda m: (int(m[2]), int(m[3]), int(m[4]), m[5] is None, m[5] or ""))
            return best[1]
        return f"0.0.0-dev.g{self.revision[:7]}" + (".dirty" if self.dirty else "")

    def created(self, now: str) -> str:
        """What images are labelled with: the commit's time, so that building it again makes the same image.

        `now` where the tree is not what the commit says.
        """
        return self.committed if self.committed and not self.dirty else now


def look(root: Path) -> Source:
    """What git says about the folder `root`; it may be a part of a larger repository."""
    revision = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    if not revision:
        return Source()
    # What shiptasks itself writes is not a change of the sources.
    changes = _git(root, "status", "--porcelain", "--", ".", ":(exclude,top,glob)**/.shiptasks/**")
    return Source(
        revision=revision,
        committed=_git(root, "show", "-s", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "HEAD"),
        dirty=bool(changes),
        tags=tuple(_git(root, "tag", "--points-at", "HEAD").split()),
        url=web_address(_git(root, "config", "--get", "remote.origin.url")),
    )


def web_address(remote: str) -> str:
    """`https://host/path` of a git remote, credentials removed; empty for local paths and what is not understood."""
    if "://" in remote:
        try:
            parts = urlsplit(remote)
            host, path = parts.hostname or "", parts.path
            port = f":{parts.port}" if parts.port and parts.scheme in ("http", "https") else ""
        except ValueError:
            return ""
        if parts.scheme not in ("http", "https", "ssh", "git"):
            return ""
        scheme = "http" if parts.scheme == "http" else "https"
    elif match := _SCP_LIKE.fullmatch(remote):
        scheme, host, port, path = "https", match[1], "", match[2]
    else:
        return ""
    path = path.strip("/").removesuffix(".git")
    return f"{scheme}://{host}{port}/{path}" if host and path else ""


def _git(root: Path, *arguments: str) -> str:
    """What a git command wrote; empty when it failed or there is no git."""
    environ = {**os.environ, "TZ": "UTC", "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            env=environ,
            check=False,
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
