"""Whether this program may start processes of its own by spawning, which imports its main module once more.

A script without `if __name__ == "__main__"` would begin anew in each of them, so only a program that has said so may.
"""

from __future__ import annotations

_is_allowed = False


def allow_spawning() -> None:
    """Let this program start processes from now on."""
    global _is_allowed
    _is_allowed = True


def may_spawn() -> bool:
    """Return whether this program may start processes."""
    return _is_allowed
