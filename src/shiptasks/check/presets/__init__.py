"""The tools that check knows, by name. A module holds one tool; PRESETS gathers them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from shiptasks.check.preset import Preset
from shiptasks.check.presets import (
    black,
    eslint,
    flake8,
    hadolint,
    isort,
    mypy,
    pylint,
    pytest,
    ruff,
    shellcheck,
    vitest,
    yamllint,
)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            ruff.CHECK,
            ruff.FORMAT,
            black.PRESET,
            flake8.PRESET,
            isort.PRESET,
            pylint.PRESET,
            mypy.PRESET,
            eslint.PRESET,
            hadolint.PRESET,
            shellcheck.PRESET,
            yamllint.PRESET,
            pytest.PYTEST,
            vitest.VITEST,
        )
    }
)
"""Every preset by its name, as the configuration writes it."""
