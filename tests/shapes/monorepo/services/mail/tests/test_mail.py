from __future__ import annotations

import pytest

from mail.core import share


def test_share() -> None:
    assert share(10, 2) == 5


def test_nobody() -> None:
    with pytest.raises(ValueError, match="nobody"):
        share(1, 0)
