"""Options of `mlsp score` for inputs too large for one report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

import typer

_PANEL = "Millions of photos (--dataset)"

Dataset: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="DIR|URL",
        help="Write results into a Parquet data set, on disk or an object store, and go on where it ends. PATH may then also be a table "
        "(.csv, .jsonl, .parquet), a .tar, a URL; with {000..099} or * for several.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
On: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="WHERE",
        help="Score on a Ray cluster: local, one of its own on this machine for this run; ray, the one that runs on this machine; HOST:PORT; or "
        "ray://HOST:PORT.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
ShardSize: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--shard-size",
        metavar="N",
        min=1,
        help="Photos a file of the data set; by default 1000.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
IdColumn: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--id-column",
        metavar="NAME",
        help="Column of a table with a name for each photo.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
PathColumn: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--path-column",
        metavar="NAME",
        help="Column with paths, relative to the table's folder.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
UrlColumn: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--url-column",
        metavar="NAME",
        help="Column with URLs.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
BytesColumn: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--bytes-column",
        metavar="NAME",
        help="Column with the photos' files; in .csv and .jsonl in base64.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
RetryFailed: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--retry-failed",
        help="Score files of the data set again in which photos failed.",
        rich_help_panel=_PANEL,
    ),
]
RayWorkers: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--ray-workers",
        metavar="N",
        min=1,
        help="Most workers at a time; by default as many as there is room for. A cluster that can grow is asked for more.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
RayCpus: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--ray-cpus",
        metavar="N",
        min=1,
        help="Cores of each worker; by default 2.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class BulkOptions:
    """What the options say; None where they were not given.

    Attributes:
        dataset: folder or URL of the results.
        on: where to run.
        shard_size: photos a file.
        id_column: of a table.
        path_column: likewise.
        url_column: likewise.
        bytes_column: likewise.
        retry_failed: score files again in which photos failed.
        ray_workers: most at a time.
        ray_cpus: cores of each.
    """

    dataset: str | None
    on: str | None
    shard_size: int | None
    id_column: str | None
    path_column: str | None
    url_column: str | None
    bytes_column: str | None
    retry_failed: bool
    ray_workers: int | None
    ray_cpus: int | None

    def are_meant(self, paths: list[str]) -> bool:
        """Whether any was given, or a path is one that only they can read."""
        given = (
            self.dataset,
            self.on,
            self.shard_size,
            self.id_column,
            self.path_column,
            self.url_column,
            self.bytes_column,
            self.ray_workers,
            self.ray_cpus,
        )
        is_given = any(value is not None for value in given) or self.retry_failed
        return is_given or any("://" in path for path in paths)
