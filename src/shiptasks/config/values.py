"""The values that configuration and task arguments are made of, parsed once at the edge and refused there.

    Duration("1m30s") == 90.0       Size("500MB") == 500_000_000
    HostAddress("deploy@web1:2222").port == 2222       Image("ghcr.io/acme/api:1.4").tag == "1.4"

Each is a number or a text of its own type: what takes a float takes a Duration. Each knows how to be a field of a
configuration model, and imports pydantic only then: task files import this module on the way to `inv --list`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema
    from typing_extensions import Self

# Digits are written [0-9]: \d also matches those of other scripts. Patterns are used with fullmatch only: `$` would
# accept a newline at the end.
_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
_DURATION = re.compile(rf"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?")
_SECONDS = (Decimal(3600), Decimal(60), Decimal(1), Decimal("0.001"))
_YEAR = 366 * 24 * 3600
_UNITS = ("B", "KB", "MB", "GB", "TB")
_SIZE = re.compile(rf"{_NUMBER} ?({'|'.join(_UNITS)})")
_VERSION = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.-]{0,127}")
PORT = r"(?::(?P<port>[0-9]{1,5}))?"
COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(rf"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?{PORT}(?:/{COMPONENT})*|{COMPONENT}(?:/{COMPONENT})*")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HOST = re.compile(r"(?:(?P<user>[A-Za-z_][A-Za-z0-9._-]{0,31})@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]{0,252})" + PORT)
_PLUGIN_HOST = re.compile(
    r"(?!(?:ssh|https?|tcp|unix|file)://)[a-z][a-z0-9-]{0,39}://[A-Za-z0-9][A-Za-z0-9._:/@-]{0,252}"
)
_REF = re.compile(r"(?![-/.])(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\]{1,255}(?<![./])")


class _Value:
    """A value that `parse` makes of what TOML or a command line holds."""

    @classmethod
    def parse(cls, value: object) -> Self:
        """The value that `value` writes. Raises ValueError, which says what was expected, for anything else."""
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.to_string_ser_schema(when_used="always")
        )


class Duration(_Value, float):
    """A time span in seconds, written `"90s"`, `"1m30s"`, `"500ms"`, `"2h"`: largest unit first, at most 366 days."""

    def __new__(cls, value: str | float) -> Self:
        return cls.parse(value) if isinstance(value, str) else float.__new__(cls, value)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Raises ValueError for anything else, bare numbers too."""
        if isinstance(value, cls):
            return value
        match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
        if match is not None:
            parts = zip(match.groups(), _SECONDS, strict=True)
            seconds = sum(Decimal(number) * unit for number, unit in parts if number)
            if seconds <= _YEAR:
                return float.__new__(cls, float(seconds))
        raise ValueError('expected a duration such as "30s", "1m30s" or "500ms"')

    def __str__(self) -> str:
        left = round(self * 1000)
        text = ""
        for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
            count, left = divmod(left, size)
            text += f"{count}{unit}" if count else ""
        return text or "0s"

    def __repr__(self) -> str:
        return f"Duration('{self}')"

    def __format__(self, spec: str) -> str:
        return float.__format__(self, spec) if spec else str(self)


class Size(_Value, int):
    """A number of bytes, written `"500MB"`, `"2GB"`, `"64KB"` (powers of 1000, as disks and images are sold)."""

    def __new__(cls, value: str | int) -> Self:
        return cls.parse(value) if isinstance(value, str) else int.__new__(cls, value)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Raises ValueError for anything else, bare numbers too."""
        if isinstance(value, cls):
            return value
        match = _SIZE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError('expected a size such as "500MB" or "2GB"')
        return int.__new__(cls, int(Decimal(match[1]) * 1000 ** _UNITS.index(match[2])))

    def __str__(self) -> str:
        for power in range(len(_UNITS) - 1, 0, -1):
            scaled = Decimal(int(self)) / 1000**power
            if scaled >= 1 and scaled == round(scaled, 3):
                return f"{scaled.normalize():f}{_UNITS[power]}"
        return f"{int(self)}B"

    def __repr__(self) -> str:
        return f"Size('{self}')"

    def __format__(self, spec: str) -> str:
        return int.__format__(self, spec) if spec else str(self)


class Percent(_Value, float):
    """A share of a hundred, written as a number from 0 to 100: `80`, `92.5`."""

    def __new__(cls, value: float) -> Self:
        return cls.parse(value)

    @classmethod
    def parse(cls, value: object) -> Self:
        """Raises ValueError for anything else, text too."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
            raise ValueError("expected a number from 0 to 100")
        return float.__new__(cls, value)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(float)
        )

    def __str__(self) -> str:
        return f"{float(self):g}"


class _Text(_Value, str):
    """A text of a checked form."""

    def __new__(cls, value: str) -> Self:
        return cls.parse(value)

    @classmethod
    def parse(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError("expected text in quotes")
        cls.check(value)
        return str.__new__(cls, value)

    @classmethod
    def check(cls, value: str) -> None:
        """Raises ValueError for a text that is not of this form."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str.__repr__(self)})"

    def __getnewargs__(self) -> tuple[str]:
        return (str(self),)


class Version(_Text):
    """A version that can be an image tag: the grammar of a tag in the OCI distribution specification.

    `+` is not legal in a tag.
    """

    @classmethod
    def check(cls, value: str) -> None:
        if not _VERSION.fullmatch(value):
            raise ValueError(
                "expected a version that can be an image tag: letters, digits, '.', '_', '-', at most 128 "
                "characters, not beginning with '.' or '-'"
            )


class Ref(_Text):
    """The name of a git branch, tag or commit, as `git check-ref-format --allow-onelevel` accepts it."""

    @classmethod
    def check(cls, value: str) -> None:
        if value == "@" or not _REF.fullmatch(value):
            raise ValueError('expected a git branch, tag or commit such as "main" or "v1.4.2"')


class Image(_Text):
    """A reference to an image: `haproxy:3.0`, `ghcr.io/acme/haproxy@sha256:…`."""

    @classmethod
    def check(cls, value: str) -> None:
        name, _, digest = value.partition("@")
        path, tag = _tagged(name)
        if not (
            _IMAGE.fullmatch(path)
            and not name.endswith(":")
            and _VERSION.fullmatch(tag or "latest")
            and ("@" not in value or _DIGEST.fullmatch(digest))
        ):
            raise ValueError('expected an image such as "haproxy:3.0" or "ghcr.io/acme/haproxy:3.0"')

    @property
    def repository(self) -> str:
        """The reference without tag and digest."""
        return _tagged(self.partition("@")[0])[0]

    @property
    def tag(self) -> str:
        """The tag; empty when none is written."""
        return _tagged(self.partition("@")[0])[1]

    @property
    def digest(self) -> str:
        """`sha256:…`; empty when none is written."""
        return self.partition("@")[2]


class HostAddress(_Text):
    """`host`, `user@host` or `user@host:port`; `local` is this machine without SSH; `name://…` a plugin's."""

    @classmethod
    def check(cls, value: str) -> None:
        if _PLUGIN_HOST.fullmatch(value):
            return
        match = _HOST.fullmatch(value)
        if match is None or not port_is_possible(match):
            raise ValueError(
                'expected "host", "user@host" or "user@host:port", or "local" for this machine without SSH'
            )

    @property
    def plugin(self) -> str:
        """The plugin that knows the way to it; empty for SSH and for this machine."""
        return self.partition("://")[0] if "://" in self else ""

    @property
    def is_local(self) -> bool:
        return self == "local"

    @property
    def user(self) -> str:
        """The user; empty when none is written."""
        return self._part("user")

    @property
    def host(self) -> str:
        """The name or address, without user and port."""
        return self._part("host")

    @property
    def port(self) -> int | None:
        """The port; None when none is written."""
        port = self._part("port")
        return int(port) if port else None

    def _part(self, name: str) -> str:
        if self.plugin:
            return self.partition("://")[2] if name == "host" else ""
        match = _HOST.fullmatch(self)
        return (match[name] if match else "") or ""


def duration_pattern() -> str:
    """The form of a duration as a regular expression of JSON Schema; not empty is said by the look ahead."""
    return f"^(?=.){_DURATION.pattern}$"


def size_pattern() -> str:
    """The form of a size as a regular expression of JSON Schema."""
    return f"^{_SIZE.pattern}$"


def port_is_possible(match: re.Match[str]) -> bool:
    """Whether the group `port` of a match is empty or from 1 to 65535."""
    return match["port"] is None or 0 < int(match["port"]) < 65536


def _tagged(name: str) -> tuple[str, str]:
    path, colon, tag = name.rpartition(":")
    return (path, tag) if colon and "/" not in tag else (name, "")
