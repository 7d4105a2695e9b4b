"""The documentation as data: pages, code blocks, and what of the program they name."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parent.parent.parent
# Generated from the commands' help, and history: what was removed is named there on purpose.
_OF_THE_PAST = ("docs/changelog.md",)
_GENERATED = ("docs/cli.md",)


def pages() -> list[Path]:
    """Every page of the site and of the repository."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
    return sorted(found)


def pages_by_hand() -> list[Path]:
    """Pages that people write about the program of today."""
    left_out = {*_OF_THE_PAST, *_GENERATED}
    return [page for page in pages() if page.relative_to(ROOT).as_posix() not in left_out]


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block: its language ("" if none is named), its text, and the line it begins at."""

    language: str
    text: str
    line: int


def code_blocks(page: Path) -> Iterator[CodeBlock]:
    """The fenced blocks of a page, in order."""
    language: str | None = None
    lines: list[str] = []
    begin = 0
    for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            if language is None:
                language, lines, begin = line.strip("` "), [], number + 1
            else:
                yield CodeBlock(language, "\n".join(lines), begin)
                language = None
        elif language is not None:
            lines.append(line)


def inline_code(page: Path) -> list[str]:
    """What stands between backticks in the text of a page, blocks left out."""
    text = re.sub(r"^\s*```.*?^\s*```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]


def command_lines(page: Path) -> list[str]:
    """Command lines of a page, without comments: those in blocks, and inline code."""
    lines = inline_code(page)
    for block in code_blocks(page):
        if block.language in ("sh", "text", "console"):
            text = block.text.replace("\\\n", " ")
            lines += [line.partition(" #")[0] for line in re.split(r"\n|;|&&", text)]
    return lines


def options_by_command() -> dict[str, set[str]]:
    """Long and short options of each command, "" for the program itself: {"score": {"--top", …}}."""
    from mlsp.cli.app import app

    found: dict[str, set[str]] = {}

    def visit(command: Any, name: str) -> None:
        names = {"--help", "-h"}
        for parameter in command.params:
            names.update(parameter.opts)
            names.update(parameter.secondary_opts)
        found[name] = names
        for child_name, child in getattr(command, "commands", {}).items():
            visit(child, f"{name} {child_name}".strip())

    visit(typer.main.get_command(app), "")
    return found


def unknown_names(page: Path) -> Iterator[str]:
    """Modules and attributes `mlsp.…` that a page names and that do not exist."""
    text = page.read_text("utf-8")
    for name in sorted(set(re.findall(r"\bmlsp(?:\.[A-Za-z_]\w*)+", text))):
        if not _exists(name):
            yield name
    for block in code_blocks(page):
        if block.language == "python":
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlsp"):
                    for alias in node.names:
                        if not _exists(f"{node.module}.{alias.name}"):
                            yield f"{node.module}.{alias.name}"


def unknown_files(page: Path) -> Iterator[str]:
    """Source files that a page names in code and that do not exist, from the top or from `src/mlsp`; NAME stands for any."""
    for code in inline_code(page):
        for name in re.findall(r"(?<![\w/.])(?:\w+/)+\w+\.py\b", code):
            if "NAME" not in name and not any(
                (folder / name).is_file() for folder in (ROOT, ROOT / "src" / "mlsp")
            ):
                yield name


def _exists(name: str) -> bool:
    if name.rpartition(".")[2] in ("h5", "sqlite", "org"):
        return True
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


def unknown_options(page: Path, options: dict[str, set[str]]) -> Iterator[str]:
    """Options that a page names and that the command, benchmark or tool does not have."""
    everywhere = set().union(*options.values()) | _script_options()
    for line in command_lines(page):
        used = re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", line)
        script = re.search(r"\b((?:benchmarks|tools|scripts)/\w+(?:\.py)?)", line)
        command = re.match(r"(?:\S*bin/)?mlsp (?:([a-z][a-z-]*)(?: ([a-z-]+)\b)?)?", line.strip())
        if script and (ROOT / script[1]).is_file():
            known = set(re.findall(r"--[a-z][a-z0-9-]*", (ROOT / script[1]).read_text("utf-8")))
            known |= _script_options()
        elif command:
            name = command[1] or ""
            known = options.get(f"{name} {command[2]}", options.get(name, set()))
            if name not in options:
                yield f"{line}: no command {name}"
        elif line.startswith("--"):
            known = everywhere
        else:
            continue
        yield from (f"{line}: {option}" for option in used if option not in known)


def _script_options() -> set[str]:
    folders = ("benchmarks", "tools", "scripts")
    files = [path for name in folders for path in (ROOT / name).iterdir() if path.is_file()]
    text = "\n".join(path.read_text("utf-8") for path in files)
    return set(re.findall(r"[\"'= ](--[a-z][a-z0-9-]*)[\"' ]", text))
