"""`mlsp export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import Quiet


def export(
    model: Annotated[
        str, typer.Argument(metavar="[NAME|DIR]", help="Model to export.")
    ] = "default",
    export_format: Annotated[
        str,
        typer.Option(
            "--format",
            "-f",
            metavar="FORMAT",
            help="onnx: one file for any ONNX runtime. openvino: OpenVINO's .xml and .bin. browser: a folder with a page that"
            " scores photos in the visitor's browser.",
        ),
    ] = "onnx",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="File to write, or folder for browser; by default the model's name.",
        ),
    ] = None,
    check: Annotated[
        list[Path] | None,
        typer.Option(
            "--check",
            metavar="PATH",
            help="Photos and folders to score with both the model and the file, to report how far they differ; may be repeated.",
        ),
    ] = None,
    runtime: Annotated[
        Path | None,
        typer.Option(
            "--runtime",
            metavar="DIR",
            help="Folder dist of an unpacked onnxruntime-web, for browser; by default npm fetches it.",
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write a model as one file, from pixels of any size to scores, for programs without mlsp.

    The input `pixels` is 8-bit sRGB (N, H, W, 3), upright; the outputs are each head's score, its percentile, and overall.
    Needs the export extra.

    Examples:
        mlsp export --output default.onnx
        mlsp export default --format openvino --check holiday/
    """
    from mlsp.cli.progress import RunProgress
    from mlsp.models.model import load_model
    from mlsp.models.one_file.browser import export_browser_page
    from mlsp.models.one_file.writing import export_model
    from mlsp.photos import find_photos
    from mlsp.reports.parity_table import print_parity
    from mlsp.scoring.parity import check_exported

    record = load_model(model)
    if export_format == "browser":
        page = export_browser_page(record, output or Path(f"{record.name}-page"), runtime=runtime)
        written: tuple[Path, ...] = (page / "model.onnx",)
        wrote = str(page)
    else:
        suffix = ".onnx" if export_format == "onnx" else ".xml"
        written = export_model(record, output or Path(f"{record.name}{suffix}"), export_format)
        wrote = "\n".join(map(str, written))
    if not quiet:
        typer.echo(wrote, err=True)
    if check is None:
        return
    photos = list(find_photos(check))
    with RunProgress(len(photos), done_word="compared", quiet=quiet) as progress:
        rows, failed = check_exported(record, written[0], photos, advance=progress.advance)
    if rows:
        print_parity(rows, stream=sys.stdout)
    if failed or not rows:
        raise typer.Exit(1)
