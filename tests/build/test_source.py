from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from shiptasks.build.source import Source, look, web_address


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "feat: first", "--date=2026-01-02T03:04:05+0200")
    return tmp_path


def test_a_commit_without_a_tag_is_a_development_version(repository: Path) -> None:
    source = look(repository)
    assert source.revision == git(repository, "rev-parse", "HEAD")
    assert source.version() == f"0.0.0-dev.g{source.revision[:7]}"
    assert source.created("now") == source.committed != ""
    assert source.committed.endswith("Z")
    (repository / "file").write_text("2")
    assert look(repository).version() == f"0.0.0-dev.g{source.revision[:7]}.dirty"
    assert look(repository).created("now") == "now"


def test_the_tag_on_the_commit_is_the_version(repository: Path) -> None:
    for tag in ("v1.2.3-rc.1", "v1.2.3", "1.2.2", "other", "v9"):
        git(repository, "tag", tag)
    assert look(repository).version() == "1.2.3"


def test_a_tag_does_not_speak_for_a_changed_tree(repository: Path) -> None:
    git(repository, "tag", "v1.2.3")
    (repository / "new").write_text("")
    assert look(repository).version().endswith(".dirty")


def test_an_older_tag_is_not_the_version(repository: Path) -> None:
    git(repository, "tag", "v1.2.3")
    git(repository, "commit", "-q", "--allow-empty", "-m", "fix: second")
    assert look(repository).version().startswith("0.0.0-dev.g")


def test_what_shiptasks_writes_and_what_lies_beside_is_not_a_change(repository: Path) -> None:
    product = repository / "product"
    (product / ".shiptasks" / "builds").mkdir(parents=True)
    (product / ".shiptasks" / "builds" / "1.0.0.json").write_text("{}")
    (repository / "beside").write_text("")
    assert not look(product).dirty
    (product / "own").write_text("")
    assert look(product).dirty


@pytest.mark.parametrize("with_init", [True, False])
def test_without_a_commit_the_version_says_so(tmp_path: Path, with_init: bool) -> None:
    if with_init:
        git(tmp_path, "init", "-q")
    source = look(tmp_path)
    assert source == Source()
    assert source.version() == "0.0.0-dev.uncommitted"


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/acme/shop.git", "https://github.com/acme/shop"),
        ("https://user:ghp_token@github.com/acme/shop.git", "https://github.com/acme/shop"),
        ("git@github.com:acme/shop.git", "https://github.com/acme/shop"),
        ("ssh://git@git.example.com:2222/acme/shop.git", "https://git.example.com/acme/shop"),
        ("https://git.example.com:8443/shop", "https://git.example.com:8443/shop"),
        ("/srv/git/shop.git", ""),
        ("../shop", ""),
        ("file:///srv/shop", ""),
        ("https://[bad", ""),
        ("", ""),
    ],
)
def test_the_address_of_a_remote_carries_no_credentials(remote: str, address: str) -> None:
    assert web_address(remote) == address
