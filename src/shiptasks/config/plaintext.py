"""Secrets in plain text, where everyone with the repository reads them: found by their form or by their key's name.

The value and its line are never shown. What counts: tokens whose form tells them (GitHub, GitLab, Slack, AWS, private
keys), passwords in addresses (types.py), and build arguments that are called like a secret, as BuildKit's own check
`SecretsUsedInArgOrEnv` does: they stay in the image's history.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from shiptasks.config.layers import Layers
from shiptasks.config.locate import KeyPath
from shiptasks.config.problems import Problem

_TOKEN = re.compile(
    r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|sk_live_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{30,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_NAME = re.compile(r"passw(?:or)?d|secret|token|credential|api_?key|private_?key|(?:^|_)pwd(?:$|_)", re.IGNORECASE)
_INSTEAD = (
    "give it by an environment variable, the environment file (`env-file`, not in git) or [tool.shiptasks.secrets]"
)


def plain_secrets(layers: Layers) -> Iterator[Problem]:
    """A problem for each value that is a secret in plain text. To be asked before variables are interpolated."""
    for path, value in layers.leaves():
        for at, text in _texts(path, value):
            if _TOKEN.search(text):
                yield Problem(layers.origin(at), "this looks like a secret in plain text", _INSTEAD, secret=True)
            elif len(path) == 4 and path[0] == "services" and path[2] == "args" and text and _is_secret(str(path[3])):
                said = f"a build argument called {path[3]} looks like a secret: it would stay in the image's history"
                yield Problem(layers.origin(at), said, _INSTEAD, secret=True)


def _texts(path: KeyPath, value: object) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts((*path, index), item)


def _is_secret(name: str) -> bool:
    return bool(_NAME.search(name)) and "public" not in name.lower()
