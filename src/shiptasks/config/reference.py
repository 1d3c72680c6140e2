"""docs/configuration.md, written from the model: `python -m shiptasks.config.reference > docs/configuration.md`."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from shiptasks.config.interpolate import WHERE
from shiptasks.config.keys import field_at, is_section, kind_at
from shiptasks.config.load import LOCAL_FILE
from shiptasks.config.locate import KeyPath
from shiptasks.config.model import OVERLAY, Project
from shiptasks.config.section import Section
from shiptasks.config.values import Duration, Size
from shiptasks.deploy.sections import Environment


def _interpolated() -> str:
    return "\n".join(f"- `{'.'.join(pattern).replace('*', '<name>')}`" for pattern in WHERE)


_INTRODUCTION = f"""\
# Configuration

<!-- Written by `python -m shiptasks.config.reference`; a test keeps it so. -->

Everything is in `[tool.shiptasks]` of the repository's `pyproject.toml`, which may hold nothing else. The least is:

```toml
[tool.shiptasks]
project = "shop"
services.app.context = "."
```

## Where a value comes from

Later wins; tables are merged key by key, lists and all other values are replaced.

1. The defaults below.
2. `[tool.shiptasks]` in `pyproject.toml`.
3. The chosen environment's own {", ".join(f"`{key}`" for key in OVERLAY)} in `[tool.shiptasks.environments.<name>]`.
   It changes services that `[tool.shiptasks.services]` defines; it does not add any.
4. `{LOCAL_FILE}` beside `pyproject.toml`, for one machine only: the same keys, at top level. Do not commit it.
   Its `environments` come last, each for that environment.
5. `SHIPTASKS_*` variables, unless empty: the key in capitals, with `_` for dots and hyphens, as `SHIPTASKS_REGISTRY`,
   `SHIPTASKS_DEPLOY_DRAIN_TIMEOUT`, `SHIPTASKS_SERVICES_API_REPLICAS`. Lists: `a,b`; commands: as in a shell.
6. Flags of a task: `inv deploy --env=staging --set deploy.batch=2 --set services.api.replicas=3`.

`inv config --env=staging` prints every value and where it comes from, `inv config --explain services.api.replicas` all
that is said about one key. A `SHIPTASKS_*` variable that stands for no key is an error, like a wrong key.

Services may have the same `port`, since each container has a network of its own. Two environments may not have the
same folder, or the same `proxy.port`, on one host.

## Variables in values

In the values below `${{NAME}}` is replaced by what the process environment holds. `${{NAME:-text}}` gives `text` where
NAME is not set or empty; without it that is an error. `$${{` is a plain `${{`. Everywhere else `${{` is text like any
other: commands of lint and test, for example, are expanded by their shell.

{_interpolated()}

## In an editor

A JSON Schema is installed with shiptasks; editors with taplo (Even Better TOML) or tombi complete and check by it. The
first line of `pyproject.toml`, with the path that `inv config.schema --path` prints:

```
#:schema file:///…/shiptasks/schema/pyproject.json
```

For `shiptasks.local.toml` it is `shiptasks.json` beside it (`inv config.schema --local --path`).

## Errors

All environments are checked whenever the configuration is read, not only the chosen one. Every problem is reported at
once, with file, line and column, and nothing is run.

## Kinds of values
"""

# By how the model writes the type: what people call it, and what it must be.
_KINDS = {
    "Duration": ("duration", 'Hours, minutes, seconds, milliseconds: `"2h"`, `"1m30s"`, `"500ms"`. At most 366 days.'),
    "Size": ("size", 'Bytes in powers of 1000: `"500MB"`, `"2GB"`; units `B`, `KB`, `MB`, `GB`, `TB`.'),
    "Percent": ("percent", "A number from 0 to 100: `80`, `92.5`."),
    "Name": ("name", "Lower-case letters, digits and inner hyphens, at most 40 characters."),
    "RelativePath": ("path", "Inside the repository, relative to `pyproject.toml`, without `..`."),
    "HostPath": ("path on the host", "Absolute, without `..`; letters, digits, `.`, `_`, `-`."),
    "LocalPath": ("path on this machine", "`~` is your home folder."),
    "LocalPaths": ("list of paths on this machine", ""),
    "RelativePaths": ("list of paths", ""),
    "PythonVersions": ("list of versions of Python", '`["3.10", "3.13"]`.'),
    "HttpPath": ("HTTP path", 'Begins with `/`: `"/health"`.'),
    "HttpPaths": ("list of HTTP paths", ""),
    "Url": ("address", '`"https://shop.example.com"`, without credentials.'),
    "HostAddresses": (
        "list of hosts",
        'At least one: `"host"`, `"user@host"`, `"user@host:port"`, or `"local"` for this machine without SSH.',
    ),
    "Registry": (
        "registry",
        '`"ghcr.io/acme"`: host, optional port and path, lower-case, without scheme or credentials.',
    ),
    "Image": ("image", '`"haproxy:3.0"`, with a registry or a digest if you like.'),
    "StageName": ("text", ""),
    "Plugins": ("tables by name", "Options of a plugin: what it says itself ([Plugins](plugins.md))."),
    "Command": ("command", "Without shell syntax it runs directly; with it, by bash with `pipefail`."),
    "HookList": (
        "hooks",
        'A command, `{ task = "announce" }`, `{ command = "…", timeout = "60s" }`, or a list of these.',
    ),
    "Words": ("list of words", 'A command and its arguments, one item each: `["alembic", "upgrade", "head"]`.'),
    "SecretSources": ("tables `[tool.shiptasks.secrets.<NAME>]`", ""),
    "EnvironmentVariable": ("name of a variable", ""),
    "Platforms": ("list of platforms", '`["linux/amd64", "linux/arm64"]`.'),
    "BuildSecrets": ("tables `[tool.shiptasks.services.<name>.build-secrets.<id>]`", ""),
    "SshForwards": ("list of texts", ""),
    "BuilderName": ("name of a builder", ""),
    "BuilderEndpoint": ("address or docker context", ""),
    "Bucket": ("name of a bucket", ""),
    "Repository": ("repository", '`"ghcr.io/acme/cache"`, without a tag.'),
    "UserName": ("name of a user", ""),
    "Table[OptionName, str]": ("text by name", ""),
    "Purpose": ('`"development"`, `"staging"` or `"production"`', ""),
    "Table[ArgumentName, str]": ("text by name", ""),
    "Table[VariableName, str]": ("text by name", ""),
    "Table[Name, Percent]": ("percent by name", ""),
    "Table[str, str]": ("text by name", ""),
    "IgnoredRules": ("reasons by rule", ""),
    "str": ("text", ""),
    "int": ("whole number", ""),
    "bool": ("true or false", ""),
}


def render() -> str:
    """The whole of docs/configuration.md."""
    kinds = "\n".join(f"- **{word}**: {rule}" for word, rule in _KINDS.values() if rule)
    sections = [_INTRODUCTION, kinds, ""]
    for section in sections_of(Project):
        title, _, rest = (inspect.getdoc(section) or "").partition(": ")
        sections += [f"## {title}", "", f"{rest[:1].upper()}{rest[1:]}", ""]
        sections += ["| Key | Kind | Default | Meaning |", "|---|---|---|---|"]
        sections += [_row(*each, section) for each in documented(section)]
        sections.append("")
    return "\n".join(sections)


def sections_of(section: type[Section]) -> list[type[Section]]:
    """The section and those that it holds, each once, in the order of the keys."""
    found = [section]
    for info in section.model_fields.values():
        for each in _classes(info.annotation):
            found += [below for below in sections_of(each) if below not in found]
    return found


def _classes(annotation: Any) -> Iterator[type[Section]]:
    if inspect.isclass(annotation) and get_origin(annotation) is None and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _classes(part)


def documented(section: type[Section]) -> list[tuple[str, str, str]]:
    """(field, type as the model writes it, docstring) of each field, those of its parts first."""
    found = []
    for part in reversed([each for each in section.__mro__ if issubclass(each, Section) and each is not Section]):
        body = ast.parse(inspect.getsource(part)).body[0]
        assert isinstance(body, ast.ClassDef)
        for node, after in zip(body.body, body.body[1:], strict=False):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_":
                told = after.value if isinstance(after, ast.Expr) else None
                text = told.value if isinstance(told, ast.Constant) and isinstance(told.value, str) else ""
                found.append((node.target.id, ast.unparse(node.annotation), inspect.cleandoc(text)))
    return found


@dataclass(frozen=True)
class Described:
    """A key as the page describes it, without Markdown."""

    kind: str
    default: str
    meaning: str


def describe(path: KeyPath) -> Described | None:
    """What is said of the key at `path`, or of the table of free names that it stands in; None for an unknown one."""
    for at in (path, path[:-1], path[:-2]):
        info = field_at(Project, at) if at else None
        section = kind_at(Project, at[:-1]) if at else None
        if info is not None and is_section(section):
            for field, annotation, meaning in documented(section):
                if (section.model_fields[field].alias or field) == at[-1]:
                    kind = _kind(annotation.removesuffix(" | None"), info)
                    default = "required" if info.is_required() else _default(info)
                    return Described(kind.replace("`", ""), default.replace("`", ""), " ".join(meaning.split()))
    return None


def _row(field: str, annotation: str, meaning: str, section: type[Section]) -> str:
    info = section.model_fields[field]
    kind = _kind(annotation.removesuffix(" | None"), info)
    if section is Environment and info.alias in OVERLAY:
        raise ValueError(f"`{info.alias}` is both an environment's own key and an overlay")
    return f"| `{info.alias}` | {kind} | {_default(info)} | {' '.join(meaning.split())} |"


def _kind(annotation: str, info: FieldInfo) -> str:
    choices = next((one for one in (info.annotation, *get_args(info.annotation)) if get_origin(one) is Literal), None)
    if choices is not None:
        return " or ".join(f"`{json.dumps(choice)}`" for choice in get_args(choices))
    for section in sections_of(Project):
        title = (inspect.getdoc(section) or "").partition(":")[0]
        if annotation == section.__name__:
            return f"table {title}"
        if f"[Name, {section.__name__}]" in annotation:
            return f"tables {title}"
    bounds = {type(item).__name__: item for item in info.metadata}
    if annotation == "int" and {"Ge", "Le"} <= bounds.keys():
        return f"whole number from {bounds['Ge'].ge} to {bounds['Le'].le}"
    return _KINDS[annotation][0]


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value: Any = info.default
    if value is None or isinstance(value, Section) or value in ("", (), {}):
        return ""
    if isinstance(value, (Duration, Size)):
        return f'`"{value}"`'
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    sys.stdout.write(render())
