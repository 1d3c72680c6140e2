"""The types of values: what each accepts, and that nothing else gets in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shiptasks.config import types
from shiptasks.config.types import check_name
from shiptasks.config.values import Duration, HostAddress, Image, Percent, Size, Version


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("90s", 90), ("1m30s", 90), ("500ms", 0.5), ("2h", 7200), ("1h1m1s1ms", 3661.001), ("1.5h", 5400),
     ("0.1s", 0.1), ("8784h", 8784 * 3600)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize("value", [
    "", " ", "30", 30, 3.0, None, True, [], "s", "-1s", "+1s", "1 s", "1s ", " 1s", "1s\n", "1S", "1s1m", "1s1s", "1d",
    ".5s", "5.s", "1e3s", "\u0663s", "8785h", "9999999999s", "inf", "nan", "1m30",
])  # fmt: skip
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match='expected a duration such as "30s"'):
        Duration.parse(value)


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 999))
def test_durations_add_up(hours: int, minutes: int, seconds: int, milliseconds: int) -> None:
    text = f"{hours}h{minutes}m{seconds}s{milliseconds}ms"
    assert Duration.parse(text) == pytest.approx(hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)


@given(st.text(alphabet="0123456789hms. -\n", max_size=12))
@example("9" * 400 + "s")
def test_any_text_is_a_sensible_duration_or_refused(text: str) -> None:
    try:
        seconds = Duration.parse(text)
    except ValueError:
        return
    assert 0 <= seconds <= 366 * 24 * 3600


@pytest.mark.parametrize(
    ("text", "size"),
    [("0B", 0), ("500MB", 500_000_000), ("2GB", 2 * 10**9), ("64 KB", 64_000), ("4.35MB", 4_350_000), ("1TB", 10**12),
     ("0.1GB", 100_000_000)],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert Size.parse(text) == size


@pytest.mark.parametrize("value", [
    "", "500", 500, "-1GB", "1 GB ", "1GB\n", "1gb", "1GiB", "1  GB", "GB", "\u0663GB", "9" * 400 + "GB", "1e3GB", None,
])  # fmt: skip
def test_what_is_no_size(value: object) -> None:
    with pytest.raises(ValueError, match='expected a size such as "500MB" or "2GB"'):
        Size.parse(value)


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (80, "80"), (92.5, "92.5"), (100.0, "100")])
def test_percents(value: float, text: str) -> None:
    assert Percent.parse(value) == value
    assert str(Percent.parse(value)) == text


@pytest.mark.parametrize("value", [-1, 100.01, float("nan"), float("inf"), "80", True, None, 10**400])
def test_what_is_no_percent(value: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a number from 0 to 100$"):
        Percent.parse(value)


@given(st.integers(0, 10**9 - 1), st.sampled_from(["B", "KB", "MB", "GB", "TB"]))
def test_sizes_are_exact(number: int, unit: str) -> None:
    assert Size.parse(f"{number}{unit}") == number * 1000 ** ["B", "KB", "MB", "GB", "TB"].index(unit)


ACCEPTED: dict[str, tuple[Any, list[str]]] = {
    "name": (types.Name, ["a", "shop", "shop-2", "0x", "a" * 40]),
    "registry": (
        types.Registry,
        ["", "ghcr.io", "ghcr.io/acme", "localhost:5000", "10.0.0.1:5000/a/b_c", "r.example/a--b/c.d"],
    ),
    "image": (
        Image,
        [
            "haproxy",
            "haproxy:3.0",
            "ghcr.io/a/b:1",
            "localhost:5000/b",
            "a/b@sha256:" + "0" * 64,
            "b:1@sha256:" + "f" * 64,
        ],
    ),
    "host": (
        HostAddress,
        ["local", "web1", "deploy@web1", "first.last@web1.example.com:2222", "Admin@10.0.0.1", "_svc@h:65535"],
    ),
    "http path": (types.HttpPath, ["/", "/health", "/a/b?c=d&e=%20", "/~x"]),
    "url": (types.Url, ["", "http://localhost:8080", "https://shop.example.com/a?b", "http://[::1]:80/"]),
    "host path": (types.HostPath, ["/", "/srv/shop", "/srv/my.shop_2-x"]),
    "relative path": (types.RelativePath, [".", "api", "deploy/compose.yaml", "a b/c", "..a"]),
    "local path": (types.LocalPath, ["~/.ssh/config", "/etc/x", "a"]),
    "stage": (types.StageName, ["build", "my_stage.2", "0"]),
    "command": (types.Command, ["ruff check .", "a\nb"]),
    "argument": (types.ArgumentName, ["A", "_a1"]),
}

REFUSED: dict[str, tuple[Any, list[str]]] = {
    "name": (types.Name, ["", "-x", "x-", "X", "a_b", "a.b", "../x", "a" * 41, "é", "a b", "$(id)"]),
    "registry": (
        types.Registry,
        [
            "https://ghcr.io",
            "GHCR.io",
            "a/",
            "/a",
            "a//b",
            "a:0",
            "a:65536",
            "a:x",
            "u:p@h",
            "-a",
            "a-",
            "a b",
            "a/B",
            "a:\u0663",
        ],
    ),
    "image": (Image, ["", "-v", "a b", "a:", ":1", "a@", "a@sha256:12", "a:1:2/b", "a:b c", "http://a"]),
    "host": (
        HostAddress,
        [
            "",
            "-oProxyCommand=x",
            "user@host;id",
            "a@-b",
            "-a@b",
            "a@b@c",
            "h:",
            "h:0",
            "h:65536",
            "ssh://h",
            "a b",
            "`id`",
            "$(id)@h",
            "h:\u0661",
            "u:p@h",
        ],
    ),
    "http path": (types.HttpPath, ["", "health", "/a b", "http://x", '/"', "/\u00e9", "/a#b"]),
    "url": (
        types.Url,
        ["x", "ftp://h", "https://", "https://h:99999", "http://h:0", "https://u@h", "https://a b", "http://[x"],
    ),
    "host path": (types.HostPath, ["", "srv", "/a/../b", "/a b", "/$x", "~"]),
    "relative path": (types.RelativePath, ["", "/a", "..", "a/../b", "-f", "~/x", "a\0b", "a\x1b"]),
    "local path": (types.LocalPath, ["", "-x", "a\0"]),
    "stage": (types.StageName, ["", "-x", "a b", "--target"]),
    "command": (types.Command, ["", " ", "a\0"]),
    "argument": (types.ArgumentName, ["", "1a", "a-b", "A=b"]),
}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, (_, good) in ACCEPTED.items() for value in good])
def test_accepted(kind: str, value: str) -> None:
    assert TypeAdapter(ACCEPTED[kind][0]).validate_python(value) == value


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, (_, bad) in REFUSED.items() for value in bad])
def test_refused(kind: str, value: str) -> None:
    with pytest.raises(ValidationError, match=r"expected|must not hold credentials"):
        TypeAdapter(REFUSED[kind][0]).validate_python(value)


@pytest.mark.parametrize("kind", [kind for kind in ACCEPTED if kind != "command"])
def test_a_newline_at_the_end_is_never_let_through(kind: str) -> None:
    annotation, good = ACCEPTED[kind]
    for value in good:
        with pytest.raises(ValidationError):
            TypeAdapter(annotation).validate_python(value + "\n")


def test_a_path_on_the_host_has_no_slash_at_its_end() -> None:
    assert TypeAdapter(types.HostPath).validate_python("/srv/shop/") == "/srv/shop"


@pytest.mark.parametrize("version", ["1.0.0", "1", "v1", "1.0.0-rc.1", "_x", "a" * 128, "2026.11.20"])
def test_versions(version: str) -> None:
    assert Version.parse(version) == version


@pytest.mark.parametrize(
    "version", ["", "1.0+x", ".1", "-1", "1 0", "1\n", "a" * 129, "1/2", "$(id)", "`x`", "é", "\u0661"]
)
def test_what_is_no_version(version: str) -> None:
    with pytest.raises(ValueError, match="expected a version that can be an image tag"):
        Version.parse(version)


@given(st.text(max_size=10))
def test_a_name_is_safe_wherever_it_is_put(text: str) -> None:
    try:
        check_name(text)
    except ValueError:
        return
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", text)
