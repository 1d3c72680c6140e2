"""This repository's own tasks: `inv --list`. It uses shiptasks as any repository would."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from invoke.collection import Collection

import shiptasks

ns = shiptasks.namespace()
for name in ("lab", "demo"):
    if find_spec(f"{__name__}.{name}") is not None:
        ns.add_collection(Collection.from_module(import_module(f"{__name__}.{name}")), name)
