from __future__ import annotations

import pytest

from basket.core import share


def test_share() -> None:
    assert share(7, 2) == 3


def test_nobody() -> None:
    with pytest.raises(ValueError, match="nobody"):
        share(1, 0)
