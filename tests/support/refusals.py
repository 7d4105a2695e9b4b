"""What a function says that refuses to do its work."""

from __future__ import annotations

from collections.abc import Callable

import pytest


def message(error: type[Exception], function: Callable[[], object]) -> str:
    """Return the message of the error that the function raises."""
    with pytest.raises(error) as caught:
        function()
    return str(caught.value)
