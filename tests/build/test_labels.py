from __future__ import annotations

from datetime import datetime, timezone

import pytest

from shiptasks.build.event import Event, Repository
from shiptasks.build.labels import as_annotations, labels
from shiptasks.errors import UsageError

OCI = "org.opencontainers.image."
EVENT = Event(
    "GitHub",
    "push",
    "refs/heads/main",
    "0123456789abcdef0123456789abcdef01234567",
    default_branch="main",
    time=datetime(2026, 3, 4, 5, 6, 7, 8000, tzinfo=timezone.utc),
    repository=Repository("shop", "A shop", "https://github.com/acme/shop", "MIT"),
)


def test_what_oci_has_names_for() -> None:
    assert labels(EVENT, "1.4.2") == {
        f"{OCI}created": "2026-03-04T05:06:07.008Z",
        f"{OCI}description": "A shop",
        f"{OCI}licenses": "MIT",
        f"{OCI}revision": "0123456789abcdef0123456789abcdef01234567",
        f"{OCI}source": "https://github.com/acme/shop",
        f"{OCI}title": "shop",
        f"{OCI}url": "https://github.com/acme/shop",
        f"{OCI}version": "1.4.2",
    }


def test_what_nobody_knows_is_left_out() -> None:
    assert labels(Event("git"), "", title="shop-api", created="then") == {
        f"{OCI}created": "then",
        f"{OCI}title": "shop-api",
    }


def test_configured_ones_go_before_all_and_have_templates() -> None:
    configured = {
        f"{OCI}title": "Mine",
        f"{OCI}description": "",
        "com.example.branch": "{{branch}} at {{sha}}",
        "com.example.quotes": 'a "b" = <c> & $(d)',
    }
    found = labels(EVENT, "1.4.2", title="shop-api", configured=configured)
    assert found[f"{OCI}title"] == "Mine"
    assert f"{OCI}description" not in found
    assert found["com.example.branch"] == "main at 0123456"
    assert found["com.example.quotes"] == 'a "b" = <c> & $(d)'
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("", "x", 'a name has no spaces and no "="'),
        ("a b", "x", 'a name has no spaces and no "="'),
        ("a=b", "x", 'a name has no spaces and no "="'),
        ("a\nb", "x", 'a name has no spaces and no "="'),
        (f"{OCI}vendr", "x", f"OCI has no such name, did you mean {OCI}vendor?"),
        ("a", "{{brnch}}", '{{brnch}} is not known, did you mean "{{branch}}"?'),
        (
            "a",
            "{{date 'YYYY' tz='Mars/Base'}}",
            'there is no time zone "Mars/Base" on this machine; its package tzdata has them',
        ),
    ],
)
def test_wrong_labels(name: str, text: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        labels(EVENT, "1", configured={name: text}, where="pyproject.toml:7:1")
    assert caught.value.what == f"the label {name!r} does not fit: {problem}"
    assert (caught.value.where, caught.value.now) == ("pyproject.toml:7:1", "nothing was run")


def test_annotations() -> None:
    values = {"a": "1", "b": "x=y"}
    assert as_annotations(values) == ("manifest:a=1", "manifest:b=x=y")
    assert as_annotations(values, ("index", "manifest")) == (
        "index:a=1",
        "index:b=x=y",
        "manifest:a=1",
        "manifest:b=x=y",
    )
