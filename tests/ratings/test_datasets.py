"""Public collections, as small folders of the published form."""

from __future__ import annotations

import hashlib
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from mlsp.base.errors import RatingsError
from mlsp.ratings.datasets import DATASETS, load_ratings
from mlsp.ratings.datasets.aadb import load_aadb
from mlsp.ratings.datasets.ava import OFFICIAL_TEST_PHOTOS, digest_of_ids, load_ava
from mlsp.ratings.datasets.biq2021 import load_biq2021
from mlsp.ratings.datasets.eva import load_eva
from mlsp.ratings.datasets.koniq10k import load_koniq10k
from mlsp.ratings.datasets.oasis import load_oasis, load_oasis_beauty
from mlsp.ratings.datasets.para import load_para
from mlsp.ratings.datasets.tad66k import load_tad66k
from mlsp.ratings.splits import split_rows
from mlsp.ratings.table import Rating, RatingTable, require_photos
from refusals import message


def write(folder: Path, files: dict[str, str], encoding: str = "utf-8") -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding)
    return folder


# BIQ2021


def make_biq2021(folder: Path, *, mos: str = "0.25") -> Path:
    # The published tables: a byte-order mark in one, empty columns in the other, a name in other letter case.
    files = {"Images/ss01 (1).jpg": "", "Images/ss02 (1014).JPG": ""}
    files["Train (Images and MOS).csv"] = f"Image Name,MOS,,\nss02 (1014).jpg,{mos},,\n"
    files["Test (Images and MOS).csv"] = "\ufeffImage Name,MOS\nss01 (1).jpg,1\n"
    return write(folder, files)


def test_biq2021_as_published(tmp_path: Path) -> None:
    table = load_biq2021(make_biq2021(tmp_path))
    assert table == RatingTable(
        "BIQ2021",
        0,
        1,
        (
            Rating(
                tmp_path / "Images" / "ss02 (1014).JPG", "ss02 (1014).JPG", 0.25, "train", "ss02"
            ),
            Rating(tmp_path / "Images" / "ss01 (1).jpg", "ss01 (1).jpg", 1, "test", "ss01"),
        ),
    )
    require_photos(table)


def test_biq2021_without_photos_names_them_as_their_files(tmp_path: Path) -> None:
    folder = make_biq2021(tmp_path)
    shutil.rmtree(folder / "Images")
    table = load_biq2021(folder)
    assert table.photo_ids == ("ss02 (1014).JPG", "ss01 (1).jpg")
    first, second = folder / "Images" / "ss02 (1014).JPG", folder / "Images" / "ss01 (1).jpg"
    assert message(RatingsError, lambda: require_photos(table)) == (
        f"BIQ2021: 2 of 2 photos are missing: '{first}', '{second}': give the folder that holds the photos"
    )


def test_ratings_outside_the_scale_are_refused(tmp_path: Path) -> None:
    assert message(RatingsError, lambda: load_biq2021(make_biq2021(tmp_path, mos="4"))) == (
        "BIQ2021: ss02 (1014).JPG has rating 4, expected 0 to 1: correct the table"
    )


@pytest.mark.parametrize("mos", ["", "good"])
def test_a_rating_that_is_no_number_is_named(tmp_path: Path, mos: str) -> None:
    assert message(RatingsError, lambda: load_biq2021(make_biq2021(tmp_path, mos=mos))) == (
        f"BIQ2021: Train (Images and MOS).csv line 2: expected a rating, got {mos!r}: correct the table"
    )


def test_no_published_folder(tmp_path: Path) -> None:
    assert message(RatingsError, lambda: load_biq2021(tmp_path)) == (
        f"BIQ2021: {tmp_path / 'Train (Images and MOS).csv'} cannot be read (No such file or directory): give the published folder"
    )


def test_no_ratings() -> None:
    assert message(RatingsError, lambda: RatingTable("X", 0, 1, ())) == (
        "X: no ratings were found: check the table's path"
    )


# OASIS

_OASIS = "\ufeffitem,beauty_mean,Theme\n1,4.5,Dog1\n2,5,Dog12\n3,3,Carrace2\n"
_OASIS_PHOTOS = {f"images/{name}.jpg": "" for name in ("Dog 1", "Dog 12", "Car race 2")}


def test_oasis_as_published(tmp_path: Path) -> None:
    write(tmp_path, {**_OASIS_PHOTOS, "means_per_image.csv": _OASIS})
    table = load_oasis_beauty(tmp_path / "images", tmp_path / "means_per_image.csv")
    assert [(r.photo_id, r.mos, r.group) for r in table] == [
        ("Dog 1.jpg", 4.5, "dog"),
        ("Dog 12.jpg", 5.0, "dog"),
        ("Car race 2.jpg", 3.0, "carrace"),
    ]
    require_photos(table)
    assert table.bins is None


def test_oasis_with_every_vote(tmp_path: Path) -> None:
    write(tmp_path, {**_OASIS_PHOTOS, "means_per_image.csv": _OASIS})
    people = [[4, np.nan, 1], [5, 5, 5], [np.nan, np.nan, 3]]
    savemat(tmp_path / "corrData.mat", {"corrData": np.array(people)})
    assert load_oasis(tmp_path).votes.tolist() == [
        [0, 0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 1, 0, 0],
        [1, 0, 1, 0, 1, 0, 0],
    ]


def test_oasis_with_the_votes_of_other_photos(tmp_path: Path) -> None:
    write(tmp_path, {**_OASIS_PHOTOS, "means_per_image.csv": _OASIS})
    savemat(tmp_path / "corrData.mat", {"corrData": np.array([[4.5, 5.0]])})
    assert message(RatingsError, lambda: load_oasis(tmp_path)) == (
        "OASIS: means_per_image.csv line 4: expected an item, 1 to 2, got 3: give corrData.mat of the same data set"
    )
    write(tmp_path, {"corrData.mat": "not one"})
    assert message(RatingsError, lambda: load_oasis(tmp_path)).startswith(
        f"OASIS: {tmp_path / 'corrData.mat'} cannot be read ("
    )


def test_oasis_refuses_another_table(tmp_path: Path) -> None:
    write(tmp_path, {"t.csv": "a,b\n1,2\n"})
    assert message(RatingsError, lambda: load_oasis_beauty(tmp_path, tmp_path / "t.csv")) == (
        "OASIS: t.csv lacks the columns 'Theme', 'beauty_mean': give the published table"
    )


def test_oasis_names_a_theme_without_photo(tmp_path: Path) -> None:
    write(tmp_path, {"images/Dog 1.jpg": "", "means_per_image.csv": _OASIS})
    assert message(RatingsError, lambda: load_oasis(tmp_path)) == (
        f"OASIS: means_per_image.csv line 3: no photo of theme 'Dog12' in {tmp_path / 'images'}"
    )
    assert message(RatingsError, lambda: load_oasis(tmp_path, tmp_path / "no")) == (
        f"no folder {tmp_path / 'no'}: give the folder that holds the photos"
    )


# AVA

# The first lines of the published file.
_AVA = """1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396
2 953958 10 7 15 26 26 21 10 8 1 2 1 21 1396
3 954184 0 0 4 8 41 56 10 3 4 0 0 0 1396
4 954113 0 1 4 6 48 37 23 5 2 2 15 21 1396
5 953980 0 3 6 15 57 39 6 1 1 1 22 38 1396
"""
_TEST_LIST = "aesthetics_image_lists/generic_test.jpgl"


@pytest.mark.parametrize("start", ["", "AVA_dataset/"])
def test_ava_as_published(tmp_path: Path, start: str, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, {f"{start}AVA.txt": _AVA, f"{start}{_TEST_LIST}": "954184\r\n953958\r\n77\r\n"})
    with caplog.at_level(logging.INFO, "mlsp"):
        table = load_ava(tmp_path, official=False)
    assert caplog.messages == ["AVA: no votes for 1 of 3 test photos: '77.jpg'"]
    assert [(r.photo_id, r.split) for r in table] == [
        ("953619.jpg", "train"),
        ("953958.jpg", "test"),
        ("954184.jpg", "test"),
        ("954113.jpg", "train"),
        ("953980.jpg", "train"),
    ]
    assert table.photos[0] == tmp_path / "images" / "953619.jpg"
    assert (table.lowest, table.highest, table.bins) == (1, 10, tuple(range(1, 11)))
    assert table.votes[1].tolist() == [10, 7, 15, 26, 26, 21, 10, 8, 1, 2]
    assert table.mos[1] == pytest.approx(592 / 126)
    assert {rating.group for rating in table} == {"1396"}
    assert table.extra == {
        "tag_1": ("1", "1", "0", "15", "22"),
        "tag_2": ("22", "21", "0", "21", "38"),
        "challenge": ("1396",) * 5,
    }
    split = split_rows(table)
    assert split.test.tolist() == [1, 2]
    assert (len(split.train), len(split.validation)) == (2, 1)


def test_ava_in_the_form_of_the_released_code(tmp_path: Path) -> None:
    header = "image_name,MOS,set,1,2,3,4,5,6,7,8,9,10,width,height"
    row = "953619.jpg,5.637,validation,0,1,5,17,38,36,15,6,5,1,640,480"
    write(tmp_path, {"metadata/AVA_data_official_test.csv": f"{header}\n{row}\n"})
    assert load_ava(tmp_path, tmp_path / "photos") == RatingTable(
        "AVA",
        1,
        10,
        (
            Rating(
                tmp_path / "photos" / "953619.jpg",
                "953619.jpg",
                5.637,
                "validation",
                "",
                (0, 1, 5, 17, 38, 36, 15, 6, 5, 1),
            ),
        ),
        tuple(map(float, range(1, 11))),
        {"width": ("640",), "height": ("480",)},
    )


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["1", "2"], "expected 20000 different ids, got 2 with 2 different"),
        (
            ["1", *map(str, range(1, OFFICIAL_TEST_PHOTOS))],
            "expected 20000 different ids, got 20000 with 19999 different",
        ),
        (list(map(str, range(OFFICIAL_TEST_PHOTOS))), "it has as many ids, but other ones"),
        (["953619.jpg"], "expected one number a line"),
    ],
)
def test_another_test_list_of_ava_is_refused(tmp_path: Path, lines: list[str], fault: str) -> None:
    write(tmp_path, {"AVA.txt": _AVA, _TEST_LIST: "\n".join(lines)})
    assert message(RatingsError, lambda: load_ava(tmp_path)) == (
        f"AVA: {tmp_path / _TEST_LIST} is not the official list of test photos; {fault}: give {_TEST_LIST} as published with AVA;"
        " lists made from challenges are others"
    )


def test_the_digest_of_ids_is_of_ascending_lines() -> None:
    assert digest_of_ids(["30", "4"]) == hashlib.sha256(b"4\n30\n").hexdigest()


def test_a_photo_that_comes_again_with_the_same_votes_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    again = "6 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396\n"
    write(tmp_path, {"AVA.txt": _AVA + again, _TEST_LIST: "954184\n"})
    with caplog.at_level(logging.INFO, "mlsp"):
        assert len(load_ava(tmp_path, official=False)) == 5
    assert caplog.messages == [
        "AVA: AVA.txt line 6: photo 953619 comes again with the same votes: left out"
    ]
    write(tmp_path, {"AVA.txt": _AVA + again.replace("38", "39")})
    assert message(RatingsError, lambda: load_ava(tmp_path, official=False)) == (
        "AVA rates '953619.jpg' more than once: keep one rating a photo"
    )


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("6 7 0 1 5", "AVA: AVA.txt line 6: expected 15 words, got 5: give the published list"),
        (
            "6 7 0 1 x 17 38 36 15 6 5 1 1 22 1396",
            "AVA: AVA.txt line 6: expected votes, got 'x': correct the table",
        ),
        (
            "6 7 0 0 0 0 0 0 0 0 0 0 1 22 1396",
            "AVA: 7.jpg has the votes 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, expected numbers from 0, not all of them 0: correct the table",
        ),
    ],
)
def test_bad_lines_of_ava_are_named(tmp_path: Path, line: str, fault: str) -> None:
    write(tmp_path, {"AVA.txt": f"{_AVA}{line}\n", _TEST_LIST: "954184\n"})
    assert message(RatingsError, lambda: load_ava(tmp_path, official=False)) == fault


def test_ava_needs_its_files(tmp_path: Path) -> None:
    assert message(RatingsError, lambda: load_ava(tmp_path)) == (
        f"AVA: there is no AVA.txt and no AVA_data_official_test.csv in {tmp_path}: give the published folder"
    )
    write(tmp_path, {"AVA.txt": _AVA})
    assert message(RatingsError, lambda: load_ava(tmp_path)) == (
        f"AVA: there is no {_TEST_LIST} or generic_test.jpgl in {tmp_path}: give the published folder"
    )


# KonIQ-10k


def test_koniq10k_with_its_split(tmp_path: Path) -> None:
    # The first lines of the published table.
    table = (
        "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set\n"
        "10004473376.jpg,0.0,0.0,0.238095238095,0.695238095238,0.0666666666667,105,77.3836206897,0.527277894494,training\n"
        "10007357496.jpg,0.0,0.03125,0.46875,0.489583333333,0.0104166666667,96,68.7285714286,0.580003024795,test\n"
    )
    write(tmp_path, {"koniq10k_distributions_sets.csv": table, "512x384/10004473376.jpg": ""})
    loaded = load_koniq10k(tmp_path)
    assert loaded.ratings == (
        Rating(tmp_path / "512x384" / "10004473376.jpg", "10004473376.jpg", 77.3836206897, "train"),
        Rating(tmp_path / "512x384" / "10007357496.jpg", "10007357496.jpg", 68.7285714286, "test"),
    )
    assert (loaded.lowest, loaded.highest, loaded.bins) == (1, 100, None)
    assert loaded.extra["c3"] == ("0.238095238095", "0.46875")
    write(tmp_path, {"koniq10k_distributions_sets.csv": table.replace(",test", ",dev")})
    assert message(RatingsError, lambda: load_koniq10k(tmp_path)) == (
        "KonIQ-10k: koniq10k_distributions_sets.csv line 3: expected a set of training, validation, test, got 'dev':"
        " correct the table"
    )


def test_koniq10k_without_its_split(tmp_path: Path) -> None:
    table = (
        "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,MOS_zscore\n1.jpg,0,0,25,73,7,105,3.82,.5,77.38\n"
    )
    write(tmp_path, {"koniq10k_scores_and_distributions.csv": table})
    assert load_koniq10k(tmp_path).ratings == (
        Rating(tmp_path / "1024x768" / "1.jpg", "1.jpg", 77.38),
    )


# AADB


def make_aadb(folder: Path, *, test: str = "TestNew") -> Path:
    return write(
        folder,
        {
            "imgListFiles_label/imgListTrainRegression_score.txt": "farm1_1.jpg 0.65\n",
            "imgListFiles_label/imgListValidationRegression_score.txt": "farm1_2.jpg 0.2\n",
            f"imgListFiles_label/imgList{test}Regression_score.txt": "farm1_3.jpg 1.0\n",
            "datasetImages_originalSize/farm1_1.jpg": "",
            "datasetImages_originalSize/farm1_2.jpg": "",
            "AADB_newtest_originalSize/farm1_3.jpg": "",
        },
    )


@pytest.mark.parametrize("test", ["TestNew", "Test"])
def test_aadb_in_two_folders(tmp_path: Path, test: str) -> None:
    table = load_aadb(make_aadb(tmp_path, test=test))
    assert [(r.photo_id, r.mos, r.split) for r in table] == [
        ("datasetImages_originalSize/farm1_1.jpg", 0.65, "train"),
        ("datasetImages_originalSize/farm1_2.jpg", 0.2, "validation"),
        ("AADB_newtest_originalSize/farm1_3.jpg", 1.0, "test"),
    ]
    assert (table.lowest, table.highest) == (0, 1)
    require_photos(table)


def test_aadb_in_one_folder(tmp_path: Path) -> None:
    make_aadb(tmp_path)
    assert load_aadb(tmp_path, tmp_path / "all").photo_ids == (
        "farm1_1.jpg",
        "farm1_2.jpg",
        "farm1_3.jpg",
    )


# TAD66K


@pytest.mark.parametrize("start", ["labels/", "dataset/", ""])
def test_tad66k_as_published(tmp_path: Path, start: str) -> None:
    write(
        tmp_path,
        {
            f"{start}merge/train.csv": "image,score\r\nlanphere54810922.jpg,2.85\r\n",
            f"{start}merge/test.csv": "image,score\r\nhs_yin152947873.jpg,1.9\r\nother.jpg,9\r\n",
            f"{start}unmerge/train/sky.csv": "image,score\r\nlanphere54810922.jpg,2.85\r\n",
            f"{start}unmerge/test/art.csv": "image,score\r\nhs_yin152947873.jpg,1.9\r\n",
            "imgs/other.jpg": "",
        },
    )
    photos = tmp_path / "imgs"
    assert load_tad66k(tmp_path) == RatingTable(
        "TAD66K",
        1,
        10,
        (
            Rating(photos / "lanphere54810922.jpg", "lanphere54810922.jpg", 2.85, "train", "sky"),
            Rating(photos / "hs_yin152947873.jpg", "hs_yin152947873.jpg", 1.9, "test", "art"),
            Rating(photos / "other.jpg", "other.jpg", 9, "test", ""),
        ),
    )


# PARA

_PARA_VOTES = ",".join(f"aestheticScore_{half / 2:.1f}" for half in range(2, 11))
_PARA = f"imageName,sessionId,semantic,{_PARA_VOTES},aestheticScore_mean,qualityScore_mean\n"


def make_para(folder: Path, *, mean: str) -> Path:
    row = f"iaa_pub1_.jpg,session1,portrait,0,0,1,0,2,0,1,0,0,{mean},3.1\n"
    return write(
        folder,
        {
            "annotation/PARA-GiaaTrain.csv": _PARA + row,
            "annotation/PARA-GiaaTest.csv": _PARA + row.replace("1_", "71_").replace("n1", "n2"),
        },
    )


def test_para_in_the_form_of_its_readme(tmp_path: Path) -> None:
    table = load_para(make_para(tmp_path, mean="3.0"))
    assert [(r.photo_id, r.mos, r.split, r.group) for r in table] == [
        ("session1/iaa_pub1_.jpg", 3.0, "train", "portrait"),
        ("session2/iaa_pub71_.jpg", 3.0, "test", "portrait"),
    ]
    assert table.photos[0] == tmp_path / "imgs" / "session1" / "iaa_pub1_.jpg"
    assert table.bins == (1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5)
    assert table.votes[0].tolist() == [0, 0, 1, 0, 2, 0, 1, 0, 0]
    assert table.extra == {"qualityScore_mean": ("3.1", "3.1")}


def test_para_leaves_votes_out_that_do_not_give_the_means(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = load_para(make_para(tmp_path, mean="3.2"))
    assert table.bins is None
    assert table.mos.tolist() == [3.2, 3.2]
    assert caplog.messages == [
        "PARA: the votes are left out: a photo has rating 3.2, but the mean of its votes is 3"
    ]


# EVA


def test_eva_in_the_form_of_its_readme(tmp_path: Path) -> None:
    # Whole numbers with and without a point; the categories as published, quoted and with a byte-order mark.
    votes = "image_id=user_id=score=difficulty\n71=E1=6.0=2\n106=E1=0=2\n71=E2=9=2\n71=E3=6=1\n"
    write(
        tmp_path,
        {
            "data/votes_filtered.csv": votes,
            "data/image_content_category.csv": '\ufeff"image_id","sort"\n"71","5"\n"132","3"\n',
        },
    )
    table = load_eva(tmp_path)
    assert [(r.photo_id, r.mos, r.split, r.group) for r in table] == [
        ("71.jpg", 7.0, None, "5"),
        ("106.jpg", 0.0, None, ""),
    ]
    assert table.votes.tolist() == [
        [0, 0, 0, 0, 0, 0, 2, 0, 0, 1, 0],
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    assert table.photos[0] == tmp_path / "images" / "EVA_together" / "71.jpg"
    write(tmp_path, {"data/votes_filtered.csv": votes + "71=E4=6.5=1\n"})
    assert message(RatingsError, lambda: load_eva(tmp_path)) == (
        "EVA: votes_filtered.csv line 6: expected a score, a whole number 0 to 10, got '6.5': correct the table"
    )


def test_a_row_that_is_cut_off_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"votes_filtered.csv": "image_id=user_id=score\n71=E1\n"})
    assert message(RatingsError, lambda: load_eva(tmp_path)) == (
        "EVA: votes_filtered.csv line 2: expected 3 cells: give the published table"
    )


# Sources


def test_sources_name_data_sets_and_tables(tmp_path: Path) -> None:
    make_biq2021(tmp_path)
    assert load_ratings(f"biq2021:{tmp_path}") == load_biq2021(tmp_path)
    assert load_ratings("biq2021", tmp_path) == load_biq2021(tmp_path)
    moved = load_ratings("biq2021", str(tmp_path), photos=tmp_path / "elsewhere")
    assert moved.photos[1] == tmp_path / "elsewhere" / "ss01 (1).jpg"
    table = write(tmp_path, {"T.CSV": "photo,mos,theme\na.jpg,1,dog\n"}) / "T.CSV"
    loaded = load_ratings(table, lowest=0, highest=5, group="theme", photos=tmp_path / "Images")
    assert loaded.ratings == (Rating(tmp_path / "Images" / "a.jpg", "a.jpg", 1, None, "dog"),)
    assert loaded.highest == 5


def test_the_folder_of_photos_may_be_a_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("photo,mos\na.jpg,1\nb.jpg,2\n")
    table = load_ratings(tmp_path / "t.csv", photos="elsewhere", lowest=1, highest=2)
    assert table.photos[0] == Path("elsewhere/a.jpg")


def test_unknown_sources_list_the_known(tmp_path: Path) -> None:
    names = ", ".join(map(repr, sorted(DATASETS)))
    assert message(RatingsError, lambda: load_ratings(f"photos:{tmp_path}")) == (
        f"unknown data set 'photos': Known: {names}"
    )
    assert message(RatingsError, lambda: load_ratings("photos", tmp_path)) == (
        f"unknown data set 'photos': Known: {names}"
    )
    assert message(RatingsError, lambda: load_ratings("koniq:x")) == (
        f"unknown data set 'koniq': did you mean 'koniq10k'? Known: {names}"
    )
    folders = ", ".join(f"{name}:FOLDER" for name in DATASETS)
    assert message(RatingsError, lambda: load_ratings(tmp_path)) == (
        f"ratings cannot be read from {tmp_path}: give a table ending in .csv or .parquet, or one of {folders}"
    )


def test_data_sets_have_their_own_scale(tmp_path: Path) -> None:
    assert message(
        RatingsError, lambda: load_ratings(f"biq2021:{make_biq2021(tmp_path)}", lowest=0)
    ) == ("biq2021 has its own scale and groups: leave out lowest, highest and group")


@pytest.mark.parametrize("name", DATASETS)
def test_an_empty_folder_is_no_data_set(tmp_path: Path, name: str) -> None:
    with pytest.raises(RatingsError):
        load_ratings(f"{name}:{tmp_path}")
