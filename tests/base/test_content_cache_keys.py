"""What is cached is told apart by the code that makes it: a checkout that is updated keeps its version."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsp.base.content_cache import made_by
from mlsp.base.content_cache.keys import code_digest


@pytest.mark.parametrize("changed", ["photos/sizes.py", "photos/deep/er.py", "culling/faces.py"])
def test_code_that_changes_has_another_digest(tmp_path: Path, changed: str) -> None:
    for name in ("photos/sizes.py", "photos/deep/er.py", "culling/faces.py", "culling/other.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as it was", "utf-8")

    def digest() -> str:
        return code_digest(tmp_path, ("photos", "culling/faces.py"))

    before = digest()
    (tmp_path / "culling" / "other.py").write_text("changed", "utf-8")
    assert digest() == before
    (tmp_path / changed).write_text("changed", "utf-8")
    assert digest() != before


def test_a_key_names_packages_whether_they_are_installed_or_not() -> None:
    assert made_by("f32", (), ("base",)) != made_by("f32", ("Pillow",), ("base",))
    assert " - " in made_by("f32", ("no-such-distribution",), ("base",))
