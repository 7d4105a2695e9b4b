import re
import shutil
from pathlib import Path

import pytest

from mlsp.datasets.biq2021 import load_biq2021
from mlsp.datasets.oasis import load_oasis_beauty
from mlsp.errors import RatingsError
from mlsp.ratings import RatingTable, require_photos


def make_biq2021(folder: Path, *, mos: str = "0.25") -> Path:
    (folder / "Images").mkdir()
    for name in ("ss01 (1).jpg", "ss02 (1014).JPG"):
        (folder / "Images" / name).touch()
    # The published tables: a byte-order mark in one, empty columns in the other, a name in other letter case.
    (folder / "Train (Images and MOS).csv").write_text(
        f"Image Name,MOS,,\nss02 (1014).jpg,{mos},,\n"
    )
    (folder / "Test (Images and MOS).csv").write_text(
        "\ufeffImage Name,MOS\nss01 (1).jpg,1\n", "utf-8"
    )
    return folder


def test_biq2021_as_published(tmp_path: Path) -> None:
    table = load_biq2021(make_biq2021(tmp_path))
    assert [(r.photo_id, r.mos, r.split, r.group) for r in table] == [
        ("ss02 (1014).JPG", 0.25, "train", "ss02"),
        ("ss01 (1).jpg", 1.0, "test", "ss01"),
    ]


def test_biq2021_without_photos_names_them_as_their_files(tmp_path: Path) -> None:
    folder = make_biq2021(tmp_path)
    shutil.rmtree(folder / "Images")
    table = load_biq2021(folder)
    assert table.photo_ids == ("ss02 (1014).JPG", "ss01 (1).jpg")
    with pytest.raises(RatingsError) as caught:
        require_photos(table)
    first, second = folder / "Images" / "ss02 (1014).JPG", folder / "Images" / "ss01 (1).jpg"
    assert str(caught.value) == (
        f"BIQ2021: 2 of 2 photos are missing: '{first}', '{second}': give the folder that holds the photos"
    )


def test_ratings_outside_the_scale_are_refused(tmp_path: Path) -> None:
    message = "BIQ2021: ss02 (1014).JPG has rating 4, expected 0 to 1: correct the table"
    with pytest.raises(RatingsError, match=f"^{re.escape(message)}$"):
        load_biq2021(make_biq2021(tmp_path, mos="4"))


@pytest.mark.parametrize("mos", ["", "good"])
def test_a_rating_that_is_no_number_is_named(tmp_path: Path, mos: str) -> None:
    message = f"BIQ2021: Train (Images and MOS).csv line 2: expected a rating, got {mos!r}: correct the table"
    with pytest.raises(RatingsError, match=f"^{re.escape(message)}$"):
        load_biq2021(make_biq2021(tmp_path, mos=mos))


def test_no_ratings() -> None:
    with pytest.raises(RatingsError, match="^X: no ratings were found: check the table's path$"):
        RatingTable("X", 0, 1, ())


def test_oasis_as_published(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("Dog 1.jpg", "Dog 12.jpg", "Car race 2.jpg"):
        (images / name).touch()
    file = tmp_path / "means_per_image.csv"
    file.write_text("\ufeffitem,beauty_mean,Theme\n1,4.5,Dog1\n2,5,Dog12\n3,3,Carrace2\n", "utf-8")
    table = load_oasis_beauty(images, file)
    assert [(r.photo.name, r.mos, r.group) for r in table] == [
        ("Dog 1.jpg", 4.5, "dog"),
        ("Dog 12.jpg", 5.0, "dog"),
        ("Car race 2.jpg", 3.0, "carrace"),
    ]


def test_oasis_refuses_another_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    message = r"^OASIS: t\.csv lacks the columns 'Theme', 'beauty_mean': give the published table$"
    with pytest.raises(RatingsError, match=message):
        load_oasis_beauty(tmp_path, tmp_path / "t.csv")
