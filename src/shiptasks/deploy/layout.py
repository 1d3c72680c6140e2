"""Where things are on a host: one folder a project, as docs/hosts.md shows it to people."""

from __future__ import annotations

from dataclasses import dataclass

from shiptasks.config.model import Project


@dataclass(frozen=True)
class Layout:
    """Paths on one host. `base` is absolute."""

    base: str

    def release(self, release_id: str) -> str:
        return f"{self.base}/releases/{release_id}"

    @property
    def releases(self) -> str:
        return f"{self.base}/releases"

    @property
    def current(self) -> str:
        """Link to the release that serves; switched by rename."""
        return f"{self.base}/current"

    @property
    def proxy(self) -> str:
        """Folder that the proxy's container sees as its configuration."""
        return f"{self.base}/proxy"

    @property
    def history(self) -> str:
        return f"{self.base}/history.jsonl"

    @property
    def journal(self) -> str:
        return f"{self.base}/journal.jsonl"

    @property
    def lock(self) -> str:
        """Held by `flock` for as long as a deploy runs; the file itself stays."""
        return f"{self.base}/lock"

    @property
    def turn(self) -> str:
        """Held by `flock` while a shell works on the host, and by what it runs: a step that outlives its deploy."""
        return f"{self.base}/turn"

    @property
    def lock_info(self) -> str:
        """Who holds the lock, for people; whether it is held, only `flock` knows."""
        return f"{self.base}/lock.json"


def layout(project: Project, address: str) -> Layout:
    """The layout on a host of the project's chosen environment."""
    if project.target.path:
        return Layout(project.target.path)
    if address == "local":
        return Layout(str(project.state_dir.resolve() / "local" / project.environment))
    return Layout(f"/srv/{project.project}")
