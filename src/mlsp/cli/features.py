"""`mlsp features`: check, info, merge, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

features = typer.Typer(
    help="Verify, show, join and export feature files.", no_args_is_help=True, add_completion=False
)
_Files = Annotated[
    list[Path], typer.Argument(metavar="FILE.h5...", help="Feature files.", show_default=False)
]
_File = Annotated[Path, typer.Argument(metavar="FILE.h5", help="Feature file.", show_default=False)]


@features.command()
def check(
    files: _Files,
    reset: Annotated[
        bool,
        typer.Option(
            "--reset",
            help="Let damaged rows count as not done, so that the same `mlsp extract` does them again.",
        ),
    ] = False,
) -> None:
    """Read every row and compare its checksums; damaged ones are named, and the exit code is 1."""
    from mlsp.features.store.store import FeatureStore

    is_damaged = False
    for file in files:
        with FeatureStore.open(file, mode="a" if reset else "r") as store:
            problems = store.check()
            for problem in problems:
                typer.echo(problem)
            if reset:
                for index in store.damaged():
                    store.reset(index)
            is_damaged |= bool(problems)
            verdict = f"{len(problems)} damaged" if problems else "sound"
            typer.echo(f"{file}: {len(store.rows('done'))} of {len(store)} photos done, {verdict}")
    if is_damaged:
        raise typer.Exit(1)


@features.command()
def info(
    file: _File,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only list the photos that failed, and why.")
    ] = False,
) -> None:
    """Show what a feature file holds."""
    from mlsp.base.text import printable
    from mlsp.cli.feature_card import info_lines
    from mlsp.features.store.store import FeatureStore

    with FeatureStore.open(file) as store:
        if failed:
            for index in store.rows("failed").tolist():
                photo = store.photo(index)
                typer.echo(f"{printable(photo.photo_id)}\t{photo.message}")
            return
        for line in info_lines(file, store.info()):
            typer.echo(line)


@features.command()
def merge(
    files: _Files,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE.h5", help="Must not exist.", show_default=False
        ),
    ],
    compression: Annotated[
        str,
        typer.Option("--compression", help="same as the first file, none or zstd."),
    ] = "same",
) -> None:
    """Join the files of shards, or give one file another compression.

    A photo that is in several files comes from the one where it is done. Every row is verified on the way.
    """
    from typing import Any

    from mlsp.features.store.merge import merge as merge_files

    chosen: Any = compression
    merge_files(files, output, compression=chosen)


@features.command()
def export(
    file: _File,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE.npz", help="Is replaced.", show_default=False),
    ],
    keys: Annotated[
        str,
        typer.Option(
            "--keys", help="Name photos by file_name, or by photo_id: the path in the feature file."
        ),
    ] = "file_name",
) -> None:
    """Write features for other tools, as numpy's load reads them.

    One float32 array for each photo and grid: `<file name>/narrow` (views, channels) and `<file name>/wide` (views, 5, 5, channels).
    """
    from typing import Any

    from mlsp.features.store.npz import export_npz

    chosen: Any = keys
    count = export_npz(file, output, keys=chosen)
    typer.echo(f"{count} photos → {output}", err=True)
