"""The image installs what pyproject.toml asks for, in versions and by digests that were written down."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def test_the_lock_has_every_dependency_of_the_service_with_its_digests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["service"]
    text = (ROOT / "requirements" / "service.txt").read_text("utf-8")
    locked = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)(?= \\\n    --hash=sha256:)", text, re.M))
    assert len(locked) == len(re.findall(r"^[a-z]", text, re.M))
    for requirement in map(Requirement, wanted):
        version = locked[requirement.name.lower()]
        assert version in requirement.specifier, f"scripts/lock is to be run: {requirement}"
