"""Packages' own listings of what is in them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import mlsp

SOURCE = Path(mlsp.__file__).parent
PACKAGES = sorted(str(file.parent.relative_to(SOURCE)) for file in SOURCE.rglob("__init__.py"))


def listed(package: str) -> set[str]:
    """Names of the lines `    name  what it is`, and `    name, name  what they are`."""
    docstring = ast.get_docstring(
        ast.parse((SOURCE / package / "__init__.py").read_text("utf-8")), clean=False
    )
    lines = re.findall(r"^    (\w+/?(?:, \w+/?)*)  +\S", docstring or "", re.M)
    return {name for line in lines for name in line.split(", ")}


def present(package: str) -> set[str]:
    names = {file.stem for file in (SOURCE / package).glob("*.py")} - {"__init__"}
    folders = (path.name for path in (SOURCE / package).iterdir() if path.is_dir())
    return names | {f"{name}/" for name in folders if name != "__pycache__"}


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_lists_is_in_it(package: str) -> None:
    assert listed(package) - present(package) == set()


@pytest.mark.parametrize("package", ["base", "base/content_cache", "scoring"])
def test_packages_without_one_way_in_list_all_that_is_in_them(package: str) -> None:
    assert listed(package) == present(package)
