"""Secrets from where the configuration says they come from: resolved once, side by side, and masked from then on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shiptasks.config.model import Project
from shiptasks.config.secret import Secret
from shiptasks.envfile import dotenv
from shiptasks.envfile.sections import SecretSource
from shiptasks.errors import Interrupted, ShiptasksError, UsageError
from shiptasks.run import process
from shiptasks.run.graph import side_by_side
from shiptasks.run.secrets import Secrets

NOTHING_RAN = "nothing was run"
_INSTALL_SOPS = "install sops: https://github.com/getsops/sops/releases, or `brew install sops`"
_LARGEST = 64_000  # bytes of a command's answer: more is no secret


class _Missing(Exception):
    """A secret that cannot be had: what is wrong, without anything that a tool has printed on standard output."""

    def __init__(self, what: str, hint: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.what, self.hint, self.details = what, hint, details


def resolve(project: Project, secrets: Secrets, environ: Mapping[str, str] = os.environ) -> dict[str, Secret]:
    """The secret for each variable of `[tool.shiptasks.secrets]`; each is masked in `secrets` from here on.

    A file is decrypted once, however many secrets come from it. Raises UsageError with all that cannot be had.
    """
    if not project.secrets:
        return {}
    reader = _Reader(project.root, environ)
    files = list(dict.fromkeys(each.sops for each in project.secrets.values() if each.sops))
    slowest = {file: max(each.timeout for each in project.secrets.values() if each.sops == file) for file in files}
    decrypted = side_by_side([_decryption(reader, file, slowest[file]) for file in files], jobs=8, keep_going=True)
    trees = dict(zip(files, decrypted, strict=True))
    outcomes = side_by_side(
        [_reading(reader, name, each, trees) for name, each in project.secrets.items()], jobs=8, keep_going=True
    )
    found: dict[str, Secret] = {}
    failures: list[tuple[str, _Missing]] = []
    for name, outcome in zip(project.secrets, outcomes, strict=True):
        if isinstance(outcome.error, _Missing):
            failures.append((name, outcome.error))
        elif outcome.error is not None:
            raise outcome.error
        elif outcome.value is not None:
            secrets.add(outcome.value.reveal())
            found[name] = outcome.value
    if failures:
        # What a command wrote on standard error may repeat a secret that another one gave.
        raise _refusal(project, failures, secrets)
    return found


def merged(content: bytes, values: Mapping[str, Secret]) -> bytes:
    """An environment file's content with the secrets behind it, in Compose's grammar."""
    if not values:
        return content
    lines = [dotenv.assignment(name, value.reveal()) for name, value in values.items()]
    before = content if not content or content.endswith(b"\n") else content + b"\n"
    return before + ("# from [tool.shiptasks.secrets]\n" + "\n".join(lines) + "\n").encode()


def _decryption(reader: _Reader, file: str, timeout: float) -> Callable[[], Any]:
    return lambda: reader.decrypt(file, timeout)


def _reading(reader: _Reader, name: str, source: SecretSource, trees: Mapping[str, Any]) -> Callable[[], Secret]:
    return lambda: Secret(_usable(reader.read(name, source, trees)))


class _Reader:
    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self._root, self._environ = root, environ

    def read(self, name: str, source: SecretSource, trees: Mapping[str, Any]) -> str:
        if source.env:
            if source.env not in self._environ:
                raise _Missing(f"the variable {source.env} is not set", f"export {source.env}=…")
            return self._environ[source.env]
        if source.file:
            return self._from_file(source.file, source.key or name)
        if source.sops:
            outcome = trees[source.sops]
            if outcome.error is not None:
                raise outcome.error
            return _in_tree(outcome.value, source.sops, source.key or name)
        return self._from_command(source.command, source.timeout)

    def _from_file(self, file: str, key: str) -> str:
        try:
            content = self._path(file).read_bytes()
        except OSError as error:
            raise _Missing(f"the file {file} cannot be read: {error.strerror}") from None
        parsed = dotenv.parse(content, self._environ)
        for wrong in parsed.wrong:
            raise _Missing(f"{file}:{wrong.line}: {wrong.what}")
        if key not in parsed.values:
            raise _Missing(f"the file {file} has no variable {key}", f"add {key}=… to it")
        return parsed.values[key]

    def _from_command(self, argv: tuple[str, ...], timeout: float) -> str:
        text = self._output(argv, timeout, f"install {argv[0]!r}, or put its folder on PATH")
        return text.removesuffix("\n").removesuffix("\r")

    def decrypt(self, file: str, timeout: float) -> Any:
        path = self._path(file)
        if not path.is_file():
            raise _Missing(f"the file {file} does not exist")
        text = self._output(("sops", "--decrypt", "--output-type", "json", str(path)), timeout, _INSTALL_SOPS)
        try:
            return json.loads(text)
        except ValueError:
            raise _Missing(f"sops did not answer with JSON for {file}") from None

    def _output(self, argv: tuple[str, ...], timeout: float, hint: str) -> str:
        """Standard output of a command that gets none of ours as input. What it printed there is never told."""
        try:
            ended = process.run(
                argv, cwd=self._root, env=self._environ, timeout=timeout, check=False, keep=_LARGEST, hint=hint
            )
        except Interrupted:
            raise
        except process.NotInstalled:
            raise _Missing(f"the command {argv[0]!r} was not found", hint) from None
        except process.ProcessTimeout:
            raise _Missing(
                f"{argv[0]} did not end within {timeout:g} seconds", "`timeout` says how long to wait"
            ) from None
        except ShiptasksError as error:
            raise _Missing(f"{argv[0]} could not be started") from error
        if not ended.ok:
            # Standard error only: Result.tail would take standard output where that is empty.
            raise _Missing(f"{argv[0]} {process.ending(ended.exit_code)}", details=_said(ended))
        if ended.truncated:
            raise _Missing(f"{argv[0]} printed more than a secret can be")
        return ended.stdout

    def _path(self, file: str) -> Path:
        return self._root / Path(file).expanduser()


def _said(ended: process.Result) -> tuple[str, ...]:
    """The end of standard error, without the lines that are on standard output, too."""
    printed = {line.strip() for line in ended.stdout.splitlines()}
    return tuple(line for line in ended.stderr.splitlines() if line.strip() and line.strip() not in printed)[-5:]


def _usable(text: str) -> str:
    if not text.strip():
        raise _Missing("it is empty")
    if "\0" in text:
        raise _Missing("it has a NUL in it, which an environment file cannot hold")
    return text


def _in_tree(tree: Any, file: str, key: str) -> str:
    value = tree
    for part in key.split("."):
        if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict) and part in value:
            value = value[part]
        else:
            raise _Missing(f"the file {file} has no key {key}", f"sops {file}")
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise _Missing(f"the key {key} of {file} is no text", "`key` names one value: a.b.c")
    return str(value)


def _refusal(project: Project, failures: list[tuple[str, _Missing]], secrets: Secrets) -> UsageError:
    if len(failures) == 1:
        name, only = failures[0]
        return UsageError(
            f"the secret {name} cannot be had: {only.what}",
            where=project.where("secrets", name),
            now=NOTHING_RAN,
            hint=only.hint,
            details=tuple(secrets.mask(line) for line in only.details),
        )
    lines: list[str] = []
    for name, failure in failures:
        lines.append(f"{project.where('secrets', name)}: {name}: {failure.what}")
        lines += [f"  {secrets.mask(line)}" for line in failure.details]
        lines += [f"  {failure.hint}"] if failure.hint else []
    return UsageError(f"{len(failures)} secrets cannot be had", where="secrets", now=NOTHING_RAN, details=tuple(lines))
