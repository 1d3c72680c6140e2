from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from shiptasks.check import git
from shiptasks.check.changed import Changed, current_branch, default_branch, files
from shiptasks.errors import UsageError

UNSHALLOW = "git fetch --unshallow; on GitHub fetch-depth: 0 of actions/checkout, on GitLab the variable GIT_DEPTH: 0"


class Repo:
    """A git repository in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, path: str, text: str = "text\n") -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def commit(self, *paths: str) -> str:
        for path in paths:
            self.write(path, f"{path} {os.urandom(4).hex()}\n")
        self.git("add", "--all", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message=change")
        return self.git("rev-parse", "HEAD")

    def changed(self, base: str | None = None, **rest: object) -> list[str]:
        return list(files(self.root, base, **{"environ": {}, **rest}).files)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def plain_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the person who runs the tests."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Kim")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "kim@example.com")


def made(root: Path, branch: str = "main") -> Repo:
    root.mkdir(parents=True)
    repo = Repo(root)
    repo.git("init", "--quiet", f"--initial-branch={branch}")
    return repo


@pytest.fixture
def origin(tmp_path: Path) -> Repo:
    repo = made(tmp_path / "origin")
    repo.commit("a.py", "b.py", "sub/c.py", "sub/d.py")
    return repo


@pytest.fixture
def repo(origin: Repo, tmp_path: Path) -> Repo:
    return clone(origin, tmp_path / "repo")


def clone(origin: Repo, to: Path, *options: str) -> Repo:
    origin.git("clone", "--quiet", *options, f"file://{origin.root}", str(to))
    return Repo(to)


def refused(repo: Repo, base: str | None = None, **rest: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        repo.changed(base, **rest)
    assert caught.value.now == "nothing was run"
    return caught.value


def test_committed_staged_unstaged_and_untracked_files(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "-b", "feature")
    repo.commit("a.py", "committed.py")
    repo.write("staged.py")
    repo.git("add", "staged.py")
    repo.write("sub/c.py", "changed\n")
    repo.write("new/untracked.py")
    assert repo.changed() == ["a.py", "committed.py", "new/untracked.py", "staged.py", "sub/c.py"]


def test_nothing_differs(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "-b", "feature")
    commit = repo.git("rev-parse", "HEAD")
    assert files(repo.root, environ={}) == Changed("origin/main", commit, ())


def test_ignored_and_deleted_files_are_left_out(repo: Repo) -> None:
    repo.write(".gitignore", "*.log\n")
    repo.write("x.log")
    repo.write(".shiptasks/runs/1/events.jsonl")
    (repo.root / "a.py").unlink()
    repo.git("rm", "--quiet", "b.py")
    repo.write("gone.py")
    repo.git("add", "gone.py")
    (repo.root / "gone.py").unlink()
    assert repo.changed() == [".gitignore"]


def test_what_others_did_on_the_default_branch_meanwhile_does_not_count(repo: Repo, origin: Repo) -> None:
    repo.git("checkout", "--quiet", "-b", "feature")
    repo.commit("mine.py")
    origin.commit("theirs.py", "a.py")
    repo.git("fetch", "--quiet")
    assert repo.changed() == ["mine.py"]


def test_a_staged_change_counts_even_when_the_file_was_put_back(repo: Repo) -> None:
    before = (repo.root / "a.py").read_text()
    repo.write("a.py", "staged\n")
    repo.git("add", "a.py")
    repo.write("a.py", before)
    assert repo.changed() == ["a.py"]


def test_a_renamed_file_is_the_new_one(repo: Repo) -> None:
    repo.git("config", "diff.renames", "copies")
    repo.git("mv", "a.py", "z.py")
    assert repo.changed() == ["z.py"]


def test_times_alone_are_no_change(repo: Repo) -> None:
    os.utime(repo.root / "a.py", (1, 1))
    assert repo.changed() == []


def test_the_root_may_be_a_part_of_the_repository(repo: Repo) -> None:
    repo.commit("a.py", "sub/c.py", "sub/deep/x.py")
    repo.write("sub/new.py")
    repo.write("outside.py")
    assert Repo(repo.root / "sub").changed() == ["c.py", "deep/x.py", "new.py"]


def test_settings_of_a_person_do_not_matter(repo: Repo) -> None:
    for setting in ("diff.relative=false", "diff.noprefix=true", "core.quotePath=false", "diff.external=false"):
        repo.git("config", *setting.split("="))
    repo.git("config", "status.showUntrackedFiles", "no")
    repo.write("sub/ä.py")
    repo.write("sub/c.py", "x")
    assert Repo(repo.root / "sub").changed() == ["c.py", "ä.py"]


def test_any_name(repo: Repo) -> None:
    names = ["-rf", "a b", "new\nline", "tab\t", 'quote"', "'", "back\\slash", "ä🎉", "*", ":(top)x", "\\303", "\x01"]
    if os.uname().sysname == "Linux":  # macOS takes only UTF-8
        names.append(os.fsdecode(b"latin\xe4"))
    for name in names:
        (repo.root / name).write_text("")
    assert repo.changed() == sorted(names)
    repo.commit()
    assert repo.changed() == sorted(names)


def test_links_to_files_count_and_links_to_folders_do_not(repo: Repo) -> None:
    (repo.root / "to-file").symlink_to("a.py")
    (repo.root / "to-folder").symlink_to("sub")
    (repo.root / "nowhere").symlink_to("gone")
    assert repo.changed() == ["to-file"]


def test_submodules_and_repositories_inside_are_left_out(repo: Repo, origin: Repo) -> None:
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", f"file://{origin.root}", "module")
    inside = made(repo.root / "inside")
    inside.commit("x.py")
    assert repo.changed() == [".gitmodules"]
    repo.commit("y.py")
    assert repo.changed() == [".gitmodules", "y.py"]


def test_a_conflict_is_one_file(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "-b", "other")
    repo.commit("a.py")
    repo.git("checkout", "--quiet", "main")
    repo.commit("a.py")
    subprocess.run(["git", "merge", "--quiet", "other"], cwd=repo.root, check=False, capture_output=True)
    assert repo.changed() == ["a.py"]


def test_in_a_hook_of_git_the_folder_counts(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.write("sub/c.py", "x")
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    assert Repo(repo.root / "sub").changed() == ["c.py"]


def test_worktrees(repo: Repo, tmp_path: Path) -> None:
    repo.git("worktree", "add", "--quiet", str(tmp_path / "tree"), "-b", "feature")
    tree = Repo(tmp_path / "tree")
    tree.commit("x.py")
    assert tree.changed() == ["x.py"]
    assert current_branch(tree.root, environ={}) == "feature"


# What is compared with


def test_on_the_default_branch_it_is_what_was_not_pushed(repo: Repo) -> None:
    repo.commit("a.py")
    repo.write("b.py", "x")
    assert repo.changed() == ["a.py", "b.py"]


def test_on_the_default_branch_without_a_remote_it_is_what_was_not_committed(tmp_path: Path) -> None:
    repo = made(tmp_path / "alone", "master")
    repo.commit("a.py")
    repo.commit("b.py")
    repo.write("c.py")
    assert repo.changed() == ["c.py"]
    assert files(repo.root, environ={}).base == "master"


def test_a_pipeline_of_the_default_branch_sees_the_last_commit(repo: Repo) -> None:
    before = repo.git("rev-parse", "HEAD")
    repo.commit("a.py", "x.py")
    repo.git("push", "--quiet", "origin", "HEAD:refs/heads/side")
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    assert repo.changed() == []
    assert repo.changed(environ={"CI": "false"}) == []
    assert repo.changed(environ={"CI": "true"}) == ["a.py", "x.py"]
    assert files(repo.root, environ={"CI": "true"}) == Changed(
        f"the commit before ({before[:12]})", before, ("a.py", "x.py")
    )


def test_a_pipeline_of_the_default_branch_sees_the_whole_push(repo: Repo, tmp_path: Path) -> None:
    before = repo.git("rev-parse", "HEAD")
    repo.commit("a.py")
    repo.commit("b.py")
    repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"before": before}))
    assert repo.changed(environ={"CI": "true", "CI_COMMIT_BEFORE_SHA": before}) == ["a.py", "b.py"]
    assert repo.changed(environ={"CI": "true", "GITHUB_EVENT_PATH": str(event)}) == ["a.py", "b.py"]
    none = {"CI": "true", "CI_COMMIT_BEFORE_SHA": "0" * 40}
    assert repo.changed(environ=none) == ["b.py"]
    for text in ("", "[]", '{"before": 3}', '{"before": "--help"}', '{"before": "' + "1" * 40 + '"}'):
        event.write_text(text)
        assert repo.changed(environ={"CI": "true", "GITHUB_EVENT_PATH": str(event)}) == ["b.py"]


def test_the_first_commit_of_all_in_a_pipeline(repo: Repo) -> None:
    assert repo.changed(environ={"CI": "true"}) == []


def test_the_target_of_a_pull_request_comes_before_the_default(repo: Repo, origin: Repo) -> None:
    origin.git("checkout", "--quiet", "-b", "release-1")
    origin.commit("release.py")
    repo.git("fetch", "--quiet")
    repo.git("checkout", "--quiet", "-b", "fix", "origin/release-1")
    repo.commit("fix.py")
    assert repo.changed() == ["fix.py", "release.py"]
    assert repo.changed(default="main", environ={"GITHUB_BASE_REF": "release-1", "CI": "true"}) == ["fix.py"]
    assert repo.changed(environ={"GITHUB_BASE_REF": ""}) == ["fix.py", "release.py"]
    assert repo.changed(environ={"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "release-1"}) == ["fix.py"]
    assert repo.changed("main", environ={"GITHUB_BASE_REF": "release-1"}) == ["fix.py", "release.py"]


def test_gitlab_names_the_very_commit(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    repo.git("checkout", "--quiet", "-b", "fix")
    repo.commit("fix.py")
    told = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "elsewhere"}
    assert files(repo.root, environ=told) == Changed("elsewhere", base, ("fix.py",))
    gone = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": "1" * 40, "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}
    assert repo.changed(environ=gone) == ["fix.py"]


def test_a_base_may_be_a_branch_a_tag_or_a_commit(repo: Repo) -> None:
    first = repo.git("rev-parse", "HEAD")
    repo.git("tag", "v1")
    repo.git("branch", "mine")
    repo.commit("x.py")
    for base in ("v1", "mine", "main", "origin/main", first, first[:10], "HEAD~1", "refs/heads/mine"):
        assert repo.changed(base) == ["x.py"], base
    repo.git("branch", "HEADER", "v1")
    assert repo.changed("HEADER") == ["x.py"]
    assert repo.changed("HEAD") == []


def test_the_branch_of_the_remote_comes_before_an_old_one_of_here(repo: Repo, origin: Repo) -> None:
    origin.commit("theirs.py")
    repo.git("fetch", "--quiet")
    repo.git("checkout", "--quiet", "-b", "feature", "origin/main")
    repo.commit("mine.py")
    assert repo.changed(default="main") == ["mine.py"]


def test_the_default_branch_of_the_remote_whatever_its_name(tmp_path: Path) -> None:
    origin = made(tmp_path / "origin", "trunk")
    origin.commit("a.py")
    repo = clone(origin, tmp_path / "repo")
    repo.commit("b.py")
    assert default_branch(repo.root, environ={}) == "trunk"
    assert files(repo.root, environ={}).base == "origin/trunk"
    assert repo.changed() == ["b.py"]


def test_default_branch(repo: Repo, tmp_path: Path) -> None:
    assert default_branch(repo.root, environ={}) == "main"
    assert default_branch(repo.root, "release-1", environ={}) == "release-1"
    assert default_branch(repo.root, "origin/release-1", environ={}) == "release-1"
    repo.git("remote", "set-head", "origin", "--delete")
    assert default_branch(repo.root, environ={}) == "main"
    assert default_branch(repo.root, environ={"CI_DEFAULT_BRANCH": "trunk"}) == "trunk"
    other = made(tmp_path / "other", "trunk")
    other.commit("a.py")
    with pytest.raises(UsageError) as caught:
        default_branch(other.root, environ={})
    assert caught.value.what == "which branch is the default one is not known: there is no main or master"
    assert caught.value.hint == "set base in [tool.shiptasks.check], or type: git remote set-head origin --auto"


def test_current_branch(repo: Repo, tmp_path: Path) -> None:
    assert current_branch(repo.root, environ={"GITHUB_HEAD_REF": "other"}) == "main"
    repo.git("checkout", "--quiet", "-b", "feat/x")
    repo.git("tag", "feat/x")
    assert current_branch(repo.root, environ={}) == "feat/x"
    repo.git("checkout", "--quiet", "--detach")
    assert current_branch(repo.root, environ={}) == ""
    assert current_branch(repo.root, environ={"GITHUB_HEAD_REF": "fix", "GITHUB_REF_NAME": "3/merge"}) == "fix"
    assert current_branch(repo.root, environ={"GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "main"}) == "main"
    assert current_branch(repo.root, environ={"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1"}) == ""
    assert current_branch(repo.root, environ={"CI_COMMIT_BRANCH": "main"}) == "main"
    assert current_branch(tmp_path, environ={}) == ""


# What stops it


def test_no_repository(tmp_path: Path) -> None:
    error = refused(Repo(tmp_path))
    assert error.what == "what has changed is not known: this is no working tree of git"
    assert error.where == str(tmp_path)
    assert refused(Repo(made(tmp_path / "x").root / ".git")).what == error.what


def test_no_git(repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(repo).what == "what has changed is not known: the command 'git' was not found"


def test_no_commit(tmp_path: Path) -> None:
    error = refused(made(tmp_path / "repo"))
    assert error.what == "what has changed is not known: there is no commit yet"
    assert error.hint == "git commit, or leave out --changed"


def test_a_broken_repository_is_told_with_the_words_of_git(repo: Repo) -> None:
    (repo.root / ".git/config").write_text("[broken")
    error = refused(repo)
    assert error.what == "what has changed is not known: git failed"
    assert "bad config" in error.details[0]


def test_more_names_than_are_kept_is_an_error(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git, "_KEEP", 100)
    repo.write("a" * 60)
    repo.write("b" * 60)
    assert refused(repo).what == "more files have changed than can be told apart"


def test_an_unknown_base(repo: Repo) -> None:
    error = refused(repo, "mian")
    assert error.what == "git does not know 'mian', which the changed files are to be compared with"
    assert error.hint == "correct the name, or type: git fetch origin +refs/heads/mian:refs/remotes/origin/mian"
    assert refused(repo, default="mian").where == "base in [tool.shiptasks.check]"
    assert refused(repo, environ={"GITHUB_BASE_REF": "mian"}).where == "GITHUB_BASE_REF"


@pytest.mark.parametrize("name", ["--help", "-", "--output=x", "a\nb", "a\0b", " ", "\x1b[31m"])
def test_what_is_no_name_is_refused(repo: Repo, name: str) -> None:
    error = refused(repo, environ={"GITHUB_BASE_REF": name})
    assert error.what == f"{name!r} is not the name of a branch or commit"
    assert error.where == "GITHUB_BASE_REF"
    assert refused(repo, name).what == error.what


@pytest.mark.parametrize(
    "name", ["$(touch x)", "a b;touch x", "main..HEAD", ":/change", "@{-1}", "main:a.py", "~", "'"]
)
def test_odd_names_are_not_known_and_do_nothing(repo: Repo, name: str) -> None:
    error = refused(repo, environ={"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": name})
    assert error.what.startswith("git does not know ")
    assert not (repo.root / "x").exists()


def test_a_tree_is_no_base(repo: Repo) -> None:
    assert refused(repo, repo.git("rev-parse", "HEAD^{tree}")).what.startswith("git does not know ")


def test_a_shallow_clone_without_the_point_where_both_parted(repo: Repo, origin: Repo, tmp_path: Path) -> None:
    origin.git("checkout", "--quiet", "-b", "feature")
    origin.commit("x.py")
    origin.git("checkout", "--quiet", "main")
    origin.commit("y.py")
    shallow = clone(origin, tmp_path / "shallow", "--depth=1", "--no-single-branch", "--branch=feature")
    error = refused(shallow)
    assert error.what == "this clone does not reach back to where it parted from origin/main"
    assert error.hint == UNSHALLOW
    shallow.git("fetch", "--quiet", "--unshallow")
    assert shallow.changed() == ["x.py"]


def test_a_shallow_clone_of_one_branch(origin: Repo, tmp_path: Path) -> None:
    origin.commit("z.py")
    origin.git("checkout", "--quiet", "-b", "feature")
    origin.commit("x.py")
    origin.git("checkout", "--quiet", "main")
    shallow = clone(origin, tmp_path / "shallow", "--depth=1", "--branch=feature")
    assert refused(shallow).hint == UNSHALLOW
    assert refused(shallow, environ={"GITHUB_BASE_REF": "main"}).hint == UNSHALLOW
    main = clone(origin, tmp_path / "main", "--depth=1", "--branch=main")
    error = refused(main, environ={"CI": "true"})
    assert error.what == "this clone has no commit before the last one, so what was pushed is not known"
    assert error.hint == UNSHALLOW
    assert main.changed() == []


def test_histories_without_a_common_commit(repo: Repo) -> None:
    repo.git("checkout", "--quiet", "--orphan", "pages")
    repo.commit("index.html")
    error = refused(repo)
    assert error.what == "HEAD and origin/main have no commit in common"
