from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiptasks.build.versions import in_tag, newer_than, pep440, semver


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.2.3", "1.2.3"),
        ("v1.2.3", "1.2.3"),
        (" v1.2.3 ", "1.2.3"),
        ("0.0.0", "0.0.0"),
        ("1.2.3-rc.1", "1.2.3-rc.1"),
        ("1.2.3-0a.x-y", "1.2.3-0a.x-y"),
        ("1.2.3+b.01", "1.2.3+b.01"),
        ("1.2.3-a+b", "1.2.3-a+b"),
        ("9007199254740991.0.0", "9007199254740991.0.0"),
        ("9007199254740992.0.0", None),
        ("1.2", None),
        ("1.2.3.4", None),
        ("01.2.3", None),
        ("1.2.3-01", None),
        ("1.2.3-", None),
        ("1.2.3rc1", None),
        ("=1.2.3", None),
        ("V1.2.3", None),
        ("vv1.2.3", None),
        ("1.2.٣", None),
        ("1.2.3\n4", None),
        (f"1.2.3-{'a' * 260}", None),
        ("", None),
    ],
)
def test_semantic_versions(text: str, version: str | None) -> None:
    found = semver(text)
    assert (found and found.parts["version"]) == version


def test_the_parts_of_a_version() -> None:
    found = semver("v1.2.3-rc.1+5")
    assert found is not None
    assert found.parts == {
        "raw": "v1.2.3-rc.1+5", "version": "1.2.3-rc.1+5", "major": "1", "minor": "2", "patch": "3",
        "prerelease": "rc.1", "build": "5",
    }  # fmt: skip
    assert (found.prerelease, found.final) == (True, False)


@pytest.mark.parametrize(
    ("text", "version", "prerelease", "final"),
    [
        ("1.1beta2", "1.1b2", True, False),
        ("1.0dev4", "1.0.dev4", True, False),
        ("1.2post1", "1.2.post1", False, False),
        ("V1.2", "1.2", False, True),
        ("1!2.0", "1!2.0", False, True),
        ("1.0+ab-1", "1.0+ab.1", False, True),
    ],
)
def test_versions_of_python(text: str, version: str, prerelease: bool, final: bool) -> None:
    found = pep440(text)
    assert found is not None
    assert (found.parts["version"], found.prerelease, found.final) == (version, prerelease, final)


def test_what_no_version_of_python_is() -> None:
    assert pep440("sometag") is None
    assert pep440("9" * 5000) is None


@pytest.mark.parametrize(
    ("tag", "before", "version"),
    [
        ("v1.2.3", "", "1.2.3"),
        ("api/v1.2.3", "api/", "1.2.3"),
        ("api-1.2.3-rc.1", "api-", "1.2.3-rc.1"),
        ("@acme/api@1.2.3", "@acme/api@", "1.2.3"),
        ("p1/v1.0.0", "p1/", "1.0.0"),
        ("20200110-RC2", "", "20200110rc2"),
    ],
)
def test_versions_in_tags(tag: str, before: str, version: str) -> None:
    found = in_tag(tag)
    assert found is not None
    assert (found[0], found[1].parts["version"]) == (before, version)


@pytest.mark.parametrize("tag", ["release1", "main", "", "v", "latest", "rc1"])
def test_tags_without_a_version(tag: str) -> None:
    assert in_tag(tag) is None
    assert newer_than(tag, ["v99.0.0"]) == ""


def test_the_newest_is_told_by_number_not_by_text() -> None:
    assert newer_than("v1.9.0", ["v1.10.0", "v1.8.0"]) == "v1.10.0"
    assert newer_than("v1.10.0", ["v1.9.0", "v1.10.0", "v1.10.0-rc.1", "x/v2.0.0", "v2.0.0-rc.1", "junk"]) == ""
    assert newer_than("1.0", ["1.0.0"]) == ""
    assert newer_than("1.0", ["1.0.post1"]) == "1.0.post1"
    assert newer_than("2026.1", ["1!1.0"]) == "1!1.0"


@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    for parse in (semver, pep440, in_tag):
        parse(text)


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 3), min_size=1, max_size=8))
def test_just_the_highest_has_nothing_newer(numbers: list[tuple[int, int, int]]) -> None:
    names = {number: "v{}.{}.{}".format(*number) for number in numbers}
    for number, name in names.items():
        assert newer_than(name, names.values()) == ("" if number == max(numbers) else names[max(numbers)])
