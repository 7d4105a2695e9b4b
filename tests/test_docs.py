"""The documentation says what the program does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_cli_page_is_what_the_commands_say() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_links_of_the_documentation_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_project_speaks_of_no_machine() -> None:
    """Addresses of registries and paths of the machine it was written on do not belong into it."""
    files = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\n")
    suffixes = (".py", ".md", ".toml", ".json", ".yaml", ".cfg", "run", "check")
    pattern = re.compile(r"/(root|home)/[a-z]|pypi\.org|files\.pythonhosted")
    found = [
        name
        for name in files
        if name.endswith(suffixes)
        and name != "tests/test_docs.py"
        and pattern.search((ROOT / name).read_text("utf-8"))
    ]
    assert found == []
