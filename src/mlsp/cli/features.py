"""`mlsp features`: check, info, merge, export, import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import Quiet

_Files = Annotated[list[Path], typer.Argument(metavar="FILE.h5...", help="Feature files.")]
_File = Annotated[Path, typer.Argument(metavar="FILE.h5", help="Feature file.")]


def check(
    files: _Files,
    reset: Annotated[
        bool,
        typer.Option(
            "--reset",
            help="Mark damaged rows as not done, so that the same `mlsp extract` computes them again.",
        ),
    ] = False,
) -> None:
    """Check every row against its checksums; damaged ones are named, and the exit code is 1.

    Examples:
        mlsp features check features.h5
        mlsp features check features.h5 corners.h5 --reset
    """
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


def info(
    file: _File,
    failed: Annotated[
        bool, typer.Option("--failed", help="List only the photos that failed, and why.")
    ] = False,
) -> None:
    """Show what a feature file contains.

    Examples:
        mlsp features info features.h5
        mlsp features info features.h5 --failed
    """
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


def merge(
    files: _Files,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE.h5", help="New feature file; must not exist."),
    ],
    compression: Annotated[
        str,
        typer.Option("--compression", metavar="NAME", help="same as the first file, none or zstd."),
    ] = "same",
) -> None:
    """Merge the files of shards, or give a file another compression.

    A photo that is in several files comes from the one where it is done. Every row is checked on the way.

    Examples:
        mlsp features merge part-1.h5 part-2.h5 --output all.h5
        mlsp features merge features.h5 --compression zstd --output small.h5
    """
    from typing import Any

    from mlsp.features.store.merge import merge as merge_files

    chosen: Any = compression
    merge_files(files, output, compression=chosen)
    typer.echo(f"{len(files)} files → {output}", err=True)


def export(
    file: _File,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.npz",
            help="File to write; an earlier export is replaced.",
        ),
    ],
    keys: Annotated[
        str,
        typer.Option(
            "--keys",
            metavar="NAME",
            help="Name of a photo: file_name, or photo_id: its path in the feature file.",
        ),
    ] = "file_name",
) -> None:
    """Write features as .npz, for numpy and other tools.

    One float32 array per photo and grid: FILE_NAME/narrow (crops, channels) and FILE_NAME/wide (crops, 5, 5, channels).

    Examples:
        mlsp features export features.h5 --output features.npz
        mlsp features export features.h5 --keys photo_id --output by-path.npz
    """
    from typing import Any

    from mlsp.features.store.npz import export_npz

    chosen: Any = keys
    count = export_npz(file, output, keys=chosen)
    typer.echo(f"{count} photos → {output}", err=True)


def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.h5", help="Feature file of the paper's published code."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.h5",
            help="Feature file to write; one that an import began is continued.",
        ),
    ],
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="Weights that the features were made with; by default those that Keras publishes.",
        ),
    ] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            "--photos", metavar="DIR", help="Folder of the photos, to note their sizes and digests."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Make a feature file of one that the paper's published code wrote.

    It may be of Inception-v3 or InceptionResNet-v2, narrow or wide, of whole photos or of eight crops. Photos that lack a crop are named
    and noted as failed; the exit code is 1 then.

    Examples:
        mlsp features import released.h5 --weights notop.h5 --output imported.h5
        mlsp features import released.h5 --weights notop.h5 --photos photos/ --output sized.h5
    """
    from mlsp.base.text import listed, printable
    from mlsp.cli.progress import CountProgress, DownloadProgress
    from mlsp.features.importing import import_released

    with (
        DownloadProgress(quiet=quiet) as on_download,
        CountProgress(quiet=quiet) as on_progress,
    ):
        done = import_released(
            file,
            output,
            weights=weights,
            photos=photos,
            on_download=on_download,
            on_progress=on_progress,
        )
    if done.unmeasured:
        typer.echo(
            f"mlsp: {len(done.unmeasured)} photos cannot be read in {photos}, and are noted as 1×1 pixels: {listed(done.unmeasured)}",
            err=True,
        )
    for name in done.failed:
        typer.echo(f"{printable(name)}: not imported, see mlsp features info --failed", err=True)
    spec, grid = done.feature_spec, "narrow" if done.feature_spec.grid == 1 else "wide"
    if not quiet:
        typer.echo(
            f"{done.done} photos, {spec.backbone}, {grid}, {spec.views} → {output}", err=True
        )
    if done.failed:
        raise typer.Exit(1)
