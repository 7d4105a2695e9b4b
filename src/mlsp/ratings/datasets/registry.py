"""Registry of public collections of rated photos, and the one way to read ratings.

To add a collection, write its file beside this one and add its record here; `tests/ratings` has a test
of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlsp.base.arguments import checked
from mlsp.base.errors import RatingsError, unknown_name
from mlsp.photos.listing import TABLE_SUFFIXES
from mlsp.ratings.datasets.aadb import load_aadb
from mlsp.ratings.datasets.ava import load_ava
from mlsp.ratings.datasets.biq2021 import load_biq2021
from mlsp.ratings.datasets.eva import load_eva
from mlsp.ratings.datasets.koniq10k import load_koniq10k
from mlsp.ratings.datasets.oasis import load_oasis
from mlsp.ratings.datasets.para import load_para
from mlsp.ratings.datasets.tad66k import load_tad66k
from mlsp.ratings.files import read_ratings
from mlsp.ratings.table import RatingTable


@dataclass(frozen=True, slots=True)
class Dataset:
    """A public collection.

    Attributes:
        name: for `load_ratings`, and before the colon in `ava:FOLDER`.
        description: of the photos and ratings, in one line.
        citation: for publications.
        load: reads the folder as published; the photos are in the second folder, or where their authors put them.
    """

    name: str
    description: str
    citation: str
    load: Callable[[Path, Path | None], RatingTable]


DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "ava",
            "255,530 photos of dpchallenge.com rated for aesthetics, 1 to 10, by about 210 people each",
            "Murray, Marchesotti and Perronnin, AVA: a large-scale database for aesthetic visual analysis, CVPR 2012",
            load_ava,
        ),
        Dataset(
            "koniq10k",
            "10,073 photos rated for technical quality, 1 to 100, by about 120 people each",
            "Hosu, Lin, Szirányi and Saupe, KonIQ-10k: an ecologically valid database for deep learning of blind image quality"
            " assessment, IEEE Transactions on Image Processing 29, 2020",
            load_koniq10k,
        ),
        Dataset(
            "aadb",
            "about 10,000 photos of Flickr rated for aesthetics, 0 to 1, by five people each",
            "Kong, Shen, Lin, Mech and Fowlkes, Photo aesthetics ranking network with attributes and content adaptation, ECCV 2016",
            load_aadb,
        ),
        Dataset(
            "tad66k",
            "66,327 photos of 47 themes rated for aesthetics, 1 to 10",
            "He, Zhang, Xie, Jiang and Ming, Rethinking image aesthetics assessment: models, datasets and benchmarks, IJCAI 2022",
            load_tad66k,
        ),
        Dataset(
            "para",
            "31,220 photos rated for aesthetics, 1 to 5, by 25 people each on average",
            "Yang, Xu, Li, Qie, Li, Zhang and Guo, Personalized image aesthetics assessment with rich attributes, CVPR 2022",
            load_para,
        ),
        Dataset(
            "eva",
            "4,070 photos of AVA rated for aesthetics, 0 to 10, by at least 30 people each",
            "Kang, Valenzise and Dufaux, EVA: an explainable visual aesthetics dataset, ATQAM/MAST 2020",
            load_eva,
        ),
        Dataset(
            "biq2021",
            "12,000 photos rated for technical quality, 0 to 1, by 30 people each",
            "Ahmed and Asif, BIQ2021: a large-scale blind image quality assessment database, Journal of Electronic Imaging 31(5), 2022",
            load_biq2021,
        ),
        Dataset(
            "oasis",
            "900 photos rated for beauty, 1 to 7, by 104 to 368 people each",
            "Kurdi, Lozano and Banaji, Introducing the Open Affective Standardized Image Set (OASIS), Behavior Research Methods 49, 2017;"
            " ratings: Brielmann and Pelli, Intense beauty requires intense pleasure, Frontiers in Psychology 10, 2019",
            load_oasis,
        ),
    )
}


@checked
def load_ratings(
    source: str | Path,
    folder: str | Path | None = None,
    *,
    photos: str | Path | None = None,
    lowest: float | None = None,
    highest: float | None = None,
    group: str = "group",
) -> RatingTable:
    """Read ratings from a table or from a public data set.

    Args:
        source: a table ending in `.csv` or `.parquet`, or the name of a data set, one of `DATASETS`,
            followed by its folder: `load_ratings("ava", FOLDER)` or, in one text, `"ava:FOLDER"`.
        folder: of a data set, as its authors publish it; None where `source` has it.
        photos: folder that holds the photos, if it is not where the table or the data set has them. They may be missing;
            `mlsp.ratings.table.require_photos` makes sure that they are not.
        lowest: end of a table's scale; None takes it from the bins of its votes or from its ratings. Not for data sets, which have theirs.
        highest: the other end.
        group: a table's column that puts photos into groups.

    Returns:
        At least one rating.

    Raises:
        RatingsError: there is no such data set or table, or it cannot be used.
        MissingExtraError: a `.parquet` table without pyarrow.
    """
    photos = None if photos is None else Path(photos)
    text = str(source) if folder is None else f"{source}:{folder}"
    name, colon, path = text.partition(":")
    if colon and name in DATASETS:
        if lowest is not None or highest is not None or group != "group":
            raise RatingsError(
                f"{name} has its own scale and groups: leave out lowest, highest and group"
            )
        return DATASETS[name].load(Path(path), photos)
    if folder is not None:
        raise RatingsError(unknown_name("data set", str(source), DATASETS))
    if text.lower().endswith(TABLE_SUFFIXES):
        return read_ratings(
            Path(source), photos=photos, lowest=lowest, highest=highest, group=group
        )
    # One letter is a drive.
    if colon and len(name) > 1 and name.isidentifier():
        raise RatingsError(unknown_name("data set", name, DATASETS))
    known = ", ".join(f"{name}:FOLDER" for name in DATASETS)
    raise RatingsError(
        f"ratings cannot be read from {text}: give a table ending in {' or '.join(TABLE_SUFFIXES)}, or one of {known}"
    )
