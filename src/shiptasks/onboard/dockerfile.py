"""What a Dockerfile tells about its service: port, health path, and where its files come from. Looks, never builds."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CONTINUED = re.compile(r"[\\`][ \t]*\r?\n(?:[ \t]*#[^\n]*\n)*")
_URL = re.compile(
    r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\])(?::(?P<port>\d{1,5}))?(?P<path>/[A-Za-z0-9._~/-]*)?"
)
_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)(?::-(\d+))?\}?")


@dataclass(frozen=True)
class Recipe:
    """What was read. `port` and `health` are of the last stage that names them; None and empty when none does."""

    port: int | None = None
    health: str = ""
    """HTTP path that the HEALTHCHECK asks."""
    sources: tuple[str, ...] = ()
    """What COPY and ADD take from the build context, as written."""


def parse(text: str) -> Recipe:
    """The recipe of a Dockerfile's text. Never raises: what is not understood is not there."""
    port, health, sources = None, "", list[str]()
    values: dict[str, str] = {}
    for line in _CONTINUED.sub(" ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        instruction = word.upper()
        if instruction in ("ARG", "ENV"):
            values.update(re.findall(r"([A-Za-z_][A-Za-z0-9_]*)[= ]\"?(\d+)\b", rest))
        elif instruction == "EXPOSE":
            port = _port(rest.split(), values) or port
        elif instruction == "HEALTHCHECK":
            health = asked(_filled(rest, values))[1] or health
        elif instruction in ("COPY", "ADD"):
            sources += _sources(rest)
    return Recipe(port, health, tuple(dict.fromkeys(sources)))


def asked(command: str) -> tuple[int | None, str]:
    """Port and path of the address on this machine that a health command asks; None and empty when it asks none."""
    match = _URL.search(command)
    if not match:
        return None, ""
    return as_port(match["port"] or ""), match["path"] or "/"


def as_port(text: str) -> int | None:
    """The port that a text is, if it is one."""
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) and 0 < int(text) < 65536 else None


def _filled(text: str, values: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values.get(match[1]) or match[2] or match[0], text)


def _port(words: list[str], values: dict[str, str]) -> int | None:
    ports = (as_port(_filled(word, values).partition("/")[0]) for word in words if not word.lower().endswith("/udp"))
    return next((port for port in ports if port), None)


def _sources(rest: str) -> list[str]:
    words = rest.split()
    flags = [word for word in words if word.startswith("--")]
    if any(flag.startswith("--from=") for flag in flags):
        return []
    paths = [word.strip('[]",') for word in words[len(flags) :]][:-1]
    return [path for path in paths if path and not re.search(r"://|<<|[$*?]", path)]
