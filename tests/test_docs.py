"""The documentation is about the program as it is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import mlsp
from pages import (
    ROOT,
    options_by_command,
    pages,
    pages_by_hand,
    unknown_files,
    unknown_names,
    unknown_options,
)

LONGEST_LINE = 100


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_lines_are_short(page: Path) -> None:
    """Tables, pictures and addresses cannot be wrapped; everything else can."""
    long = [
        f"{page.name}:{number}: {len(line)} characters"
        for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1)
        if len(line) > LONGEST_LINE
        and not line.lstrip().startswith(("|", "!["))
        # A line that is one address, or one link, is as long as it has to be.
        and not re.fullmatch(r"\s*(?:[-*] )?\S*\S{80,}\S*", line)
    ]
    assert long == []


@pytest.mark.parametrize(
    "page", pages_by_hand(), ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_pages_name_what_exists(page: Path) -> None:
    assert list(unknown_names(page)) == []
    assert list(unknown_options(page, options_by_command())) == []
    assert list(unknown_files(page)) == []


def test_a_name_or_an_option_that_does_not_exist_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "`mlsp.nothing.here` and `mlsp.photos.Nothing`, `--no-such-option`, `photos/gone.py`\n\n"
        "```sh\nmlsp score photos --top 3 --no-such-flag  # --in-a-comment\nmlsp nocommand\n```\n\n"
        "```python\nfrom mlsp.photos import read_photo, Nowhere\n```\n",
        encoding="utf-8",
    )
    assert list(unknown_names(page)) == [
        "mlsp.nothing.here",
        "mlsp.photos.Nothing",
        "mlsp.photos.Nowhere",
    ]
    assert list(unknown_files(page)) == ["photos/gone.py"]
    assert list(unknown_options(page, options_by_command())) == [
        "--no-such-option: --no-such-option",
        "mlsp score photos --top 3 --no-such-flag : --no-such-flag",
        "mlsp nocommand: no command nocommand",
    ]


def test_the_reference_has_the_public_api() -> None:
    text = (ROOT / "docs" / "python.md").read_text("utf-8")
    documented = set(re.findall(r"^::: mlsp\.(\w+)$", text, re.MULTILINE))
    assert "::: mlsp.base.errors\n" in text
    errors = {name for name, value in vars(mlsp.errors).items() if isinstance(value, type)}
    assert documented == set(mlsp.__all__) - errors - {"errors", "heads", "__version__"}


def test_cli_page_has_every_command() -> None:
    titles = re.findall(
        r"^## `mlsp ?(.*)`$", (ROOT / "docs/cli.md").read_text("utf-8"), re.MULTILINE
    )
    assert set(titles) == set(options_by_command())


def test_links_of_the_documentation_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages()
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
