"""Hooks of the site: pages that lie outside `docs/` become pages of it, and links to them lead there; nothing is loaded from elsewhere.

GitHub looks for `CONTRIBUTING.md` and `SECURITY.md` at the top, and examples lie beside their photos. Each is written once, with links
that work in the repository; here they are rewritten for the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
# Path in the repository -> path in the site. Pages first, then files that only links need.
PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "examples/score_a_shoot.md": "examples/score_a_shoot.md",
    "examples/a_million_photos.md": "examples/a_million_photos.md",
    "examples/README.md": "examples/photos.md",
    "examples/train_on_your_ratings.ipynb": "examples/train_on_your_ratings.ipynb",
    "examples/darktable/rate_by_mlsp.lua": "examples/darktable/rate_by_mlsp.lua",
    "README.md": "index.md",
}
_LINK = re.compile(r"(\]\()([^)#:\s]+)")
_LOADED = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"?https?://[^\s\">]+")


def site_path(path: str) -> str | None:
    """Path in the site of a file of the repository; None if it is not in the site."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return PAGES.get(path)


def with_site_links(text: str, source: str, target: str) -> str:
    """`text` of the repository's file `source` with links that work in the site's page `target`.

    A link to a file that is not in the site stays as it is, and `mkdocs build --strict` fails on it.
    """

    def rewritten(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        found = site_path(path)
        if found is None:
            return match[0]
        return match[1] + posixpath.relpath(found, posixpath.dirname(target) or ".")

    return _LINK.sub(rewritten, text)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside `docs/`."""
    for source, target in PAGES.items():
        path = ROOT / source
        if files.get_file_from_path(target) is None and path.is_file():
            content = path.read_text(encoding="utf-8")
            if target.endswith(".md"):
                content = with_site_links(content, source, target)
            files.append(File.generated(config, target, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links from pages in `docs/` to files outside of it to their places in the site."""
    source = page.file.src_uri
    return with_site_links(markdown, f"docs/{source}", source)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse fonts, scripts, styles and pictures from elsewhere."""
    site = Path(config.site_dir)
    loaded = sorted(
        f"{page.relative_to(site)}: {address}"
        for page in site.rglob("*.html")
        for address in _LOADED.findall(page.read_text("utf-8"))
    )
    if loaded:
        raise PluginError(f"pages load from elsewhere: {', '.join(loaded)}")
