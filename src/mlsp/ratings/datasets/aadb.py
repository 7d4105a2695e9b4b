"""AADB (Kong et al. 2016): about 10,000 photos of Flickr rated for aesthetics, 0…1, by five people each.

Shu Kong, Xiaohui Shen, Zhe Lin, Radomir Mech and Charless Fowlkes, "Photo aesthetics ranking network with attributes and content
adaptation", ECCV 2016. Published through github.com/aimerykong/deepImageAestheticsAnalysis for research.

The form is that of programs which read the lists (name, space, score); the published lists were not at hand to check it.
"""

from __future__ import annotations

from pathlib import Path

from mlsp.ratings.datasets.published_files import find_published, number, photo_folder, read_words
from mlsp.ratings.table import Rating, RatingTable

_NAME = "AADB"
# The new test list leaves out 127 pictures that are no photos; the paper's numbers are on the old one, which some copies lack.
_LISTS = {
    "train": ("imgListTrainRegression_score.txt",),
    "validation": ("imgListValidationRegression_score.txt",),
    "test": ("imgListTestNewRegression_score.txt", "imgListTestRegression_score.txt"),
}
_FOLDERS = ("", "imgListFiles_label/", "imgListFiles/", "data/imgListFiles_label/")
_PHOTOS = ("datasetImages_originalSize", "datasetImages", "datasetImages_warp256", "images")
_TEST_PHOTOS = ("AADB_newtest_originalSize", "AADB_newtest")


def load_aadb(folder: Path, photos: Path | None = None) -> RatingTable:
    """Read the published lists.

    Args:
        folder: holds the three lists of scores, or `imgListFiles_label` with them.
        photos: one folder with all photos; None: those of the archives, `datasetImages_originalSize` and
            `AADB_newtest_originalSize` for the test. They may be missing.

    Returns:
        Train, validation and test photos, named with their folder if there are two, else without.

    Raises:
        RatingsError: a list is missing or not of the published form.
    """
    ratings = []
    of_learned = photos or photo_folder(folder, _PHOTOS)
    for split, names in _LISTS.items():
        path = find_published(_NAME, folder, [start + name for name in names for start in _FOLDERS])
        of_split = of_learned
        if split == "test" and photos is None:
            of_split = photo_folder(folder, (*_TEST_PHOTOS, of_learned.name))
        for where, (name, score) in read_words(_NAME, path, 2):
            photo = of_split / name
            photo_id = name if photos else photo.relative_to(folder).as_posix()
            ratings.append(Rating(photo, photo_id, number(where, "a score", score), split))
    return RatingTable(_NAME, 0.0, 1.0, tuple(ratings))
