"""`mlsp extract`, `mlsp features` and `mlsp backbones`, with a real network."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from caches import make_cache
from children import expect_mlsp as mlsp
from children import start_child
from mlsp.backbones import backbone
from mlsp.features.store.store import FeatureStore

LITE = ("--backbone", "efficientnet_lite0", "--precision", "float32")
RAY = ("--on", "local", "--workers", "2")
# Exporting a graph takes a while, so the tests share two: all levels wide, and this one of a network that is cut short.
FIRST2 = (*LITE, "--levels", "block0_depthwise,block1_depthwise", "--grid", "narrow")


@pytest.fixture
def photos(examples: Path, tmp_path: Path) -> Path:
    """Five photos, one of them in a subfolder."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(("chelsea.png", "rocket.jpg", "coffee.png", "astronaut.png")):
        photo = Image.open(examples / name).convert("RGB").resize((160 - number, 120))
        photo.save(folder / f"{number}.png")
    photo.rotate(90).save(folder / "sub" / "4.png")
    return folder


def many_photos(folder: Path, count: int) -> Path:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_features_are_those_of_the_paper_network(reference_data: Path, tmp_path: Path) -> None:
    """float32 arithmetic in another order: 3e-4 of a level's root mean square, as the reference data's page says."""
    mlsp(
        "extract",
        reference_data / "golden" / "images",
        *("--backbone", "inception_v3", "--grid", "both"),
        *("--weights", reference_data / "weights" / "inception_v3_real_notop.h5"),
        *("--precision", "float32", "--dtype", "float32"),
        *("--output", tmp_path / "golden.h5"),
    )
    mlsp("features", "export", tmp_path / "golden.h5", "--output", tmp_path / "golden.npz")
    ends = np.cumsum([level.channels for level in backbone("inception_v3").levels])
    with (
        np.load(tmp_path / "golden.npz") as ours,
        np.load(reference_data / "golden" / "inception_v3.npz") as golden,
    ):
        keys = [key for key in golden.files if key.endswith(("/narrow", "/wide"))]
        assert len(keys) == 16
        assert sorted(ours.files) == sorted(keys)
        for key in keys:
            assert ours[key].shape == (1, *golden[key].shape)
            assert ours[key].dtype == np.float32
            found = np.split(ours[key][0], ends[:-1], axis=-1)
            for got, expected in zip(found, np.split(golden[key], ends[:-1], axis=-1), strict=True):
                limit = 3e-4 * np.sqrt((expected.astype(np.float64) ** 2).mean())
                assert np.abs(got - expected).max() <= limit


def test_views_levels_and_shards_merge_to_the_whole(photos: Path, tmp_path: Path) -> None:
    def options(name: str) -> tuple[str | Path, ...]:
        return (*FIRST2, "--views", "corners8", "--output", tmp_path / name)

    done = mlsp("extract", photos, *options("whole.h5"))
    assert "5 extracted in " in done.stderr
    assert done.stdout == ""
    table = photos / "all.csv"
    table.write_text("image\n0.png\n1.png\n2.png\n3.png\nsub/4.png\n")
    for number in (1, 2):
        mlsp("extract", table, *options(f"{number}.h5"), "--shard", f"{number}/2", "--quiet")
    parts = (tmp_path / "1.h5", tmp_path / "2.h5")
    done = mlsp("features", "merge", *parts, "--output", tmp_path / "merged.h5")
    assert done.stderr == f"{len(parts)} files → {tmp_path / 'merged.h5'}\n"
    with (
        FeatureStore.open(tmp_path / "whole.h5") as whole,
        FeatureStore.open(tmp_path / "merged.h5") as merged,
    ):
        assert whole.ids == ("0.png", "1.png", "2.png", "3.png", "sub/4.png")
        assert merged.ids == ("0.png", "2.png", "sub/4.png", "1.png", "3.png")
        assert whole.read(0).shape == (8, 1, 1, 32 + 96)
        for name in whole.ids:
            there, here = merged.index_of(name), whole.index_of(name)
            assert merged.photo(there) == whole.photo(here)
            np.testing.assert_array_equal(merged.read(there), whole.read(here))


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, exported_networks: Path
) -> tuple[Path, Path]:
    """A folder of 400 photos, and the file of their features."""
    folder = tmp_path_factory.mktemp("undisturbed")
    make_cache(folder / "cache", exported_networks)
    photos = many_photos(folder / "photos", 400)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLSP_CACHE_DIR", str(folder / "cache"))
        mlsp("extract", photos, *LITE, "--grid", "both", "--output", folder / "f.h5")
    return photos, folder / "f.h5"


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
@pytest.mark.parametrize(
    ("stop", "on"), [(signal.SIGINT, ()), (signal.SIGKILL, ()), (signal.SIGKILL, RAY)]
)
def test_stopped_it_goes_on_to_the_same_file(
    undisturbed: tuple[Path, Path], tmp_path: Path, stop: signal.Signals, on: tuple[str, ...]
) -> None:
    if on:
        pytest.importorskip("ray", reason="the cluster is an extra: pip install '.[ray]'")
    photos, whole = undisturbed
    output = tmp_path / "stopped.h5"
    arguments = ("extract", photos, *LITE, "--grid", "both", "--output")
    command = [sys.executable, "-m", "mlsp", *map(str, arguments), str(output), *on]
    process = start_child(command, stderr=subprocess.PIPE, text=True)
    while not (output.exists() and _photos_done(output)):
        assert process.poll() is None, "it ended before it could be stopped"
        time.sleep(0.02)
    process.send_signal(stop)
    _, stderr = process.communicate(timeout=60)
    if stop == signal.SIGINT:
        assert process.returncode == 130, stderr
        assert "of 400 photos; the same command " in stderr
    assert 0 < _photos_done(output) < 400
    done = mlsp(*arguments, output)
    assert " of 400 photos were extracted earlier" in done.stderr
    assert output.read_bytes() == whole.read_bytes()


def _photos_done(path: Path) -> int:
    with FeatureStore.open(path) as store:
        return len(store.rows("done"))


def test_failed_photos_are_named_kept_and_retried(photos: Path, tmp_path: Path) -> None:
    shutil.move(photos / "1.png", tmp_path / "1.png")
    (photos / "1.png").touch()
    command = ("extract", photos, *LITE, "--output", tmp_path / "f.h5")
    first = mlsp(*command, code=1)
    assert f"{photos / '1.png'}: the file is empty" in first.stderr.splitlines()
    assert "4 extracted, 1 failed in " in first.stderr
    listed = mlsp("features", "info", tmp_path / "f.h5", "--failed")
    assert listed.stdout == "1.png\tthe file is empty\n"
    again = mlsp(*command, code=1)
    assert again.stderr.splitlines()[0] == (
        "mlsp: 5 of 5 photos were extracted earlier, 1 of them failed: --retry-failed tries them again"
    )
    shutil.move(tmp_path / "1.png", photos / "1.png")
    retried = mlsp(*command, "--retry-failed")
    assert "1 extracted in " in retried.stderr
    assert mlsp("features", "info", tmp_path / "f.h5", "--failed").stdout == ""
    assert _photos_done(tmp_path / "f.h5") == 5


def test_check_finds_damage_and_lets_it_be_mended(photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "f.h5"
    command = ("extract", photos, *FIRST2, "--output", file)
    mlsp(*command)
    sound = file.read_bytes()
    assert mlsp("features", "check", file).stdout == f"{file}: 5 of 5 photos done, sound\n"
    with h5py.File(file) as opened:
        place = opened["narrow"].id.get_offset() + opened["narrow"][0].nbytes + 7
    with file.open("r+b") as stream:
        stream.seek(place)
        stream.write(bytes([sound[place] ^ 1]))
    damaged = mlsp("features", "check", file, code=1).stdout.splitlines()
    assert damaged == [
        f"photo '1.png': its checksum differs, feature file {file} is damaged there: run mlsp features check {file} --reset, then extract again",
        f"{file}: 5 of 5 photos done, 1 damaged",
    ]
    mlsp("features", "check", file, "--reset", code=1)
    assert _photos_done(file) == 4
    mlsp(*command)
    assert file.read_bytes() == sound


def test_info_and_compression(photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "f.h5"
    mlsp("extract", photos, *LITE, "--longest-side", "96", "--compression", "zstd", "-o", file)
    lines = dict(
        line.split(maxsplit=1) for line in mlsp("features", "info", file).stdout.splitlines()
    )
    assert lines["photos"] == "5: 5 done, 0 failed, 0 pending"
    assert lines["network"].startswith("efficientnet_lite0, weights SHA-256 57934424")
    assert lines["levels"].startswith("17, 10240 channels: block0_depthwise, ")
    assert lines["grids"] == "wide 5×5"
    assert lines["numbers"] == "float16, compression zstd, computed in float32"
    mlsp("features", "merge", file, "-o", tmp_path / "plain.h5", "--compression", "none")
    with (
        FeatureStore.open(file) as packed,
        FeatureStore.open(tmp_path / "plain.h5") as plain,
    ):
        assert packed.info().size_bytes < 0.8 * plain.info().size_bytes
        np.testing.assert_array_equal(packed.read_batch(range(5)), plain.read_batch(range(5)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--backbone", "efficientnet"), "mlsp: unknown backbone 'efficientnet': did you mean "),
        ((), "Missing option '--backbone'"),
        ((*LITE, "--grid", "3"), "mlsp: unknown grid '3': Known: 'both', 'narrow', 'wide'"),
        (
            (*LITE, "--levels", "last18"),
            "mlsp: levels 'last18' of efficientnet_lite0: choose last1 to last17",
        ),
        ((*LITE, "--shard", "9/8"), "mlsp: a shard is 1/N to N/N, got 9/8"),
        ((*LITE, "--shard", "7/8"), "mlsp: shard 7/8 of 5 photos is empty: make fewer shards"),
        ((*LITE, "--weights", "gone.pth"), "mlsp: weights file gone.pth does not exist"),
        ((*LITE, "--workers", "0"), "Invalid value for '--workers'"),
        ((*LITE, "--ray-cpus", "1"), "mlsp: --ray-cpus is for a cluster: add --on ray"),
        ((*LITE, "--on", "there"), "mlsp: --on is local, ray, HOST:PORT or ray://HOST:PORT, got"),
    ],
)
def test_usage_and_model_errors_exit_with_2(
    photos: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = mlsp("extract", photos, "--output", tmp_path / "f.h5", *arguments, code=2)
    assert message in " ".join(done.stderr.split())
    assert not (tmp_path / "f.h5").exists()


def test_other_features_in_the_output_exit_with_2(photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "f.h5"
    mlsp("extract", photos, *FIRST2, "--output", file)
    done = mlsp("extract", photos, *FIRST2, "--dtype", "float32", "--output", file, code=2)
    assert re.fullmatch(
        rf"mlsp: .*{re.escape(str(file))}.*: dtype is 'float16', expected 'float32'\..*\n",
        done.stderr,
    )


def test_backbones_are_listed_and_shown() -> None:
    listed = mlsp("backbones").stdout
    assert "inception_v3  11 levels, 10048 channels, photos from 75 px\n" in listed
    shown = mlsp("backbones", "inception_v3").stdout.splitlines()
    assert shown[-1] == "  mixed10  2048"
    assert mlsp("backbones", "nothing", code=2).stderr.startswith(
        "mlsp: unknown backbone 'nothing'"
    )


def test_ava_whose_photos_are_elsewhere_and_not_all_there(photos: Path, tmp_path: Path) -> None:
    """The released code's table names its photos; one is missing, one is none."""
    names = ("0.png", "gone.png", "1.png", "none.png")
    (photos / "none.png").write_text("not a photo", "utf-8")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(photos / "0.png").save(photos / "0.png", exif=exif)
    sizes = []
    votes = ",".join("1" * 10)
    rows = [f"{name},5.5,training,{votes}" for name in names]
    header = f"image_name,MOS,set,{','.join(map(str, range(1, 11)))}"
    ava = tmp_path / "ava"
    (ava / "metadata").mkdir(parents=True)
    table = ava / "metadata" / "AVA_data_official_test.csv"
    table.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    for source in (f"ava:{ava}", table):
        output = tmp_path / f"{Path(source).name}.h5"
        reading = ("--read-as", "released") if source == table else ()
        options = (*FIRST2, "--photos", photos, *reading, "--output", output)
        done = mlsp("extract", source, *options, "--missing", "leave-out")
        assert "2 extracted, 2 left out in " in done.stderr
        line = "mlsp: 2 photos are missing or unreadable, and left out: 'gone.png', 'none.png'\n"
        assert line in done.stderr
        with FeatureStore.open(output) as store:
            assert store.ids == names
            assert store.done.tolist() == [True, False, True, False]
            assert store.layout.feature_spec.read_as == (reading[-1] if reading else "upright")
            sizes.append((store.photo(0).width, store.photo(0).height))
    assert sizes == [(120, 160), (160, 120)]
