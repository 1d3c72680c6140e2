from __future__ import annotations

import pytest

from users.core import share


def test_share() -> None:
    assert share(12, 2) == 6


def test_nobody() -> None:
    with pytest.raises(ValueError, match="nobody"):
        share(1, 0)
