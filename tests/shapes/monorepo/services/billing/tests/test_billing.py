from __future__ import annotations

import pytest

from billing.core import share


def test_share() -> None:
    assert share(8, 2) == 4


def test_nobody() -> None:
    with pytest.raises(ValueError, match="nobody"):
        share(1, 0)
