"""The paper's tables on tiny features."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mlsp.base.errors import OutputError, SettingsError
from mlsp.features.store.store import FeatureStore
from mlsp.paper import (
    EXPERIMENTS,
    ExperimentJob,
    Outcome,
    Result,
    as_markdown,
    run_experiment,
    write_outcomes,
)
from mlsp.paper.baselines import SizeNetwork, size_scores
from mlsp.paper.extremes import find_extremes
from mlsp.paper.features import extract_command, fitting_store, lacking
from mlsp.paper.plots import line_figure
from mlsp.paper.records import Estimate, read_result, result_record
from mlsp.ratings.splits import Split, SplitSettings
from mlsp.training import EpochRecord, TrainingCallbacks, TrainSettings
from training_data import ids, make_store, make_table, planted


@pytest.fixture
def job(tmp_path: Path) -> ExperimentJob:
    """Of a network that nobody knows, whole photos only."""
    features, mos = planted(120)
    lines = [f"{name},{value:.4f}" for name, value in zip(ids(120), mos, strict=True)]
    table = tmp_path / "ratings.csv"
    table.write_text("\n".join(["photo,mos", *lines]) + "\n", "utf-8")
    return ExperimentJob(
        "table3",
        (make_store(tmp_path / "f.h5", features),),
        str(table),
        tmp_path / "out",
        backbone="tiny",
        lowest=1,
        highest=10,
        split=SplitSettings("random", 0.2, 0.3),
        settings=TrainSettings(epochs=1, batch=32),
    )


def no_levels(_name: str) -> int:
    return 11


def test_numbers_of_the_paper() -> None:
    best = EXPERIMENTS["table3"].rows(None, no_levels)[6]
    assert (best.label, best.grid, best.backbone) == ("Pool-3FC", 5, "inception_resnet_v2")
    assert (best.paper.srcc, best.paper.plcc, best.paper.accuracy) == (0.756, 0.757, 0.8172)
    assert len(EXPERIMENTS["table2"].rows(None, no_levels)) == 11
    assert [row.last_levels for row in EXPERIMENTS["fig7"].rows(None, no_levels)] == [*range(1, 12)]


def test_command_that_makes_the_features_of_a_row() -> None:
    small, full = (
        EXPERIMENTS["table2"].rows(None, no_levels)[1],
        EXPERIMENTS["table3"].rows(None, no_levels)[5],
    )
    assert extract_command(small) == (
        "mlsp extract PHOTOS -o FILE.h5 --backbone inception_v3 --grid narrow --views corners8 --resize 256x256 --precision float32"
    )
    assert extract_command(full) == (
        "mlsp extract PHOTOS -o FILE.h5 --backbone inception_resnet_v2 --grid wide --views whole --precision float32"
    )


def test_rows_run_once_and_say_what_they_lack(job: ExperimentJob) -> None:
    begun: list[str] = []
    outcomes = run_experiment(job, row_begins=lambda row: begun.append(row.label))
    # On one network the rows of Inception-v3 are those of InceptionResNet-v2.
    assert begun == ["Single-3FC (-aug)", "Ridge (not in the paper)"]
    by_label = {one.row.label: one for one in outcomes}
    assert by_label["Pool-3FC"].reason == (
        "not run: needs features of tiny, make them by"
        " `mlsp extract PHOTOS -o FILE.h5 --backbone tiny --grid wide --views corners8 --precision float32`"
        f"; {job.features[0].name} has views whole, narrow features only"
    )
    ridge = by_label["Ridge (not in the paper)"].result
    assert ridge is not None
    assert ridge.numbers["srcc"].low < ridge.numbers["srcc"].value < ridge.numbers["srcc"].high
    assert ridge.numbers["srcc"].value > 0.8
    again = run_experiment(job, row_begins=lambda row: begun.append(row.label))
    assert again == outcomes
    assert len(begun) == 2
    assert not list(job.output.glob("*.run"))
    other = replace(job, settings=TrainSettings(epochs=1, batch=32, seed=1))
    run_experiment(other, row_begins=lambda row: begun.append(row.label))
    # The closed form has no seed: its result is still the same.
    assert begun[2:] == ["Single-3FC (-aug)"]


def test_several_seeds_have_a_mean_and_a_spread(
    job: ExperimentJob, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[str] = []
    wide = replace(job, seeds=3, rows=("Single*", "Ridge*"), first=64, levels="last2")
    outcomes = run_experiment(wide, row_begins=lambda row: begun.append(row.label))
    assert begun == ["Single-3FC (-aug)"] * 3 + ["Ridge (not in the paper)"]
    # Once, not for each seed.
    assert caplog.text.count("--recipe small") == 1
    single = outcomes[0]
    values = [one.numbers["srcc"].value for one in single.repeats]
    assert len(set(values)) == 3
    assert single.result == single.repeats[0]
    assert single.spread("srcc") == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert single.note.startswith("recipe paper, 2 of 3 levels, ")
    (path, table, _) = write_outcomes(job.output, "table3", outcomes)
    text = path.read_text("utf-8")
    assert f"<br>{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" in text
    row = next(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert row["seeds"] == "3"
    assert float(row["srcc_mean"]) == pytest.approx(np.mean(values), abs=1e-6)


def test_files_and_photos_of_figures_8_and_9(job: ExperimentJob, examples: Path) -> None:
    job = replace(job, name="fig8")
    outcomes = run_experiment(job)
    extremes = find_extremes(outcomes)
    assert extremes is not None
    shown = extremes.smallest[0].photo_id
    files = {shown: examples / "chelsea.png"}
    text, table, *sheets = write_outcomes(job.output, "fig8", outcomes, photos=files)
    assert text.read_text("utf-8") == as_markdown("fig8", outcomes)
    assert "Photos by Ridge (not in the paper) on tiny, whole: in closed form" in text.read_text()
    assert [path.name for path in sheets] == ["fig8.png", "fig9.png"]
    crops = [np.asarray(Image.open(path))[40:300, :206].reshape(-1, 3) for path in sheets]
    colours = [len(np.unique(crop, axis=0)) for crop in crops]
    # The first photo is there, the others are frames with a name.
    assert colours[0] > 5000
    assert colours[1] < 1000
    photos = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    # 9 of 36 test photos are as high-rated as 5,000 of 19,928.
    assert [photo["of"] for photo in photos] == ["smallest errors"] * 4 + ["largest errors"] * 4
    errors = [abs(float(photo["error"])) for photo in photos]
    assert errors[:4] == sorted(errors[:4])
    assert errors[4:] == sorted(errors[4:], reverse=True)
    assert errors[3] <= errors[7]


def test_baselines_and_cited_rows(job: ExperimentJob) -> None:
    outcomes = run_experiment(replace(job, name="table4"))
    by_label = {one.row.label: one for one in outcomes}
    assert by_label["Ma et al."].result is None
    assert by_label["Ma et al."].note == "as the paper cites it"
    assert by_label["Talebi et al. (NIMA), Inception-v3, fine-tuned"].note == (
        "not run: `mlsp finetune RATINGS --backbone tiny --head single_1fc --resize 256x256 --levels last1 --distribution"
        " --precision float32 --output MODEL`, then"
        " --scores 'Talebi et al. (NIMA), Inception-v3, fine-tuned=MODEL.run/test-scores.csv'"
    )
    alike = by_label["All alike"].result
    size = by_label["Width and height only (SRCC: of width × height)"].result
    assert alike is not None
    assert size is not None
    # All photos have one size, which tells nothing.
    assert math.isnan(size.numbers["srcc"].value)
    assert set(alike.numbers) == {"accuracy"}
    assert 0.5 <= alike.numbers["accuracy"].value < 1
    written = result_record(size)
    assert result_record(read_result(written)) == written
    text = as_markdown("table4", outcomes)
    assert "width and height; no SRCC, as all test photos have the same value |" in text
    assert "[–, –]" not in text
    assert "| Ma et al. |  |  | – | – | – | – | – | 81.70% | – | – | – | – | as the" in text
    # Section 4.3: .558 at 77.33 %, a ratio of .72.
    assert "| Kong et al. |  |  | – | 0.558 | – | – | – | 77.33% | – | – | – | 0.72 |" in text
    assert " | – | 0.070 | – | 0.88 | not run: `mlsp finetune" in text


def test_sizes_that_an_import_did_not_know_are_not_taken_for_sizes(
    job: ExperimentJob, tmp_path: Path
) -> None:
    features = planted(120)[0]
    sizes = np.random.default_rng(0).integers(100, 500, (120, 2))
    known = make_store(tmp_path / "known.h5", features, sizes=sizes)
    sizes[::2] = 1
    partly = make_store(tmp_path / "partly.h5", features, sizes=sizes)

    def row(*files: Path) -> Outcome:
        wanted = replace(job, name="table4", rows=("Width*",), features=files)
        return next(one for one in run_experiment(wanted) if one.row.kind == "size")

    why = "not run: no feature file has the photos' widths and heights: give one of `mlsp extract`"
    assert row(partly).note.startswith(why)
    assert row().note.startswith(why)
    assert row(partly, known) == row(known)
    assert math.isfinite(row(known).result.numbers["srcc"].value)  # type: ignore[union-attr]


def test_calling_all_alike_is_tested_on_the_photos_of_the_other_rows(job: ExperimentJob) -> None:
    with Path(str(job.ratings)).open("a", encoding="utf-8") as table:
        table.writelines(f"gone/{number}.jpg,9\n" for number in range(200))
    settings = replace(job.settings, missing="leave-out")
    job = replace(job, name="table4", rows=("all alike",), settings=settings)
    (alike,) = [one.result for one in run_experiment(job) if one.result]
    assert set(alike.photo_ids) <= set(ids(120))


def test_votes_in_a_table_of_scores_give_the_earth_movers_distance(job: ExperimentJob) -> None:
    row = "Talebi et al. (NIMA), Inception-v3, fine-tuned"
    names = [f"votes_{value}" for value in range(1, 11)]
    table = make_table(planted(120)[1], votes=True)
    ratings = job.output.with_name("votes.csv")
    scores = job.output.with_name("scores.csv")
    for path, first in ((ratings, []), (scores, ["score"])):
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            kind = "score_" if path == scores else ""
            writer.writerow(("photo", *first, *(f"{kind}{name}" for name in names)))
            for one in table:
                # The model's votes are people's, a rating too high.
                votes = one.votes or ()
                if path == scores:
                    votes = (0, *votes[:-1])
                writer.writerow((one.photo_id, *[one.mos for _ in first], *votes))
    job = replace(job, name="table4", ratings=str(ratings), rows=("All*",), scores={row: scores})
    result = {one.row.label: one for one in run_experiment(job)}[row].result
    assert result is not None
    assert result.numbers["srcc"].value == pytest.approx(1)
    # One of ten ratings, but for photos whose highest votes fell off.
    assert result.numbers["emd"].value == pytest.approx(0.1, abs=0.01)


def test_sizes_that_tell_everything() -> None:
    high = np.arange(90) % 3 == 0
    sizes = np.where(high[:, None], [900.0, 600.0], [300.0, 200.0])
    rows = np.arange(90)
    scores = size_scores(sizes, high, Split(rows[:50], rows[50:70], rows[70:]))
    np.testing.assert_array_equal(scores > 0, high[70:])


def test_the_size_network() -> None:
    network = SizeNetwork((800.0, 640.0), seed=1)
    assert sum(array.numel() for array in network.parameters()) == 227
    sizes = torch.tensor([[800.0, 640], [400, 320], [1, 640]])
    shares = torch.tensor([[1.0, 1], [0.5, 0.5], [1 / 800, 1]])
    torch.testing.assert_close(network(sizes), network.layers(shares))


def test_damaged_result(job: ExperimentJob) -> None:
    job = replace(job, name="table4", features=())
    run_experiment(job)
    (path,) = job.output.glob("*.json")
    path.write_text("{}", "utf-8")
    with pytest.raises(OutputError) as caught:
        run_experiment(job)
    assert str(caught.value) == (
        f"result {path} cannot be read: KeyError('how'): delete it, and it is computed anew"
    )


def test_interrupted_it_ends_as_if_it_had_not_been(job: ExperimentJob) -> None:
    class StoppedError(Exception):
        pass

    def stop(record: EpochRecord) -> None:
        if record.epoch == 1:
            raise StoppedError

    job = replace(job, rows=("Single*",), settings=TrainSettings(epochs=2, batch=32))
    with pytest.raises(StoppedError):
        run_experiment(job, callbacks=TrainingCallbacks(epoch_done=stop))
    epochs: list[int] = []
    outcomes = run_experiment(
        job, callbacks=TrainingCallbacks(epoch_done=lambda record: epochs.append(record.epoch))
    )
    assert epochs == [2]
    whole = run_experiment(replace(job, output=job.output.with_name("other")))
    (gone_on, alone) = ([one.result for one in found if one.result] for found in (outcomes, whole))
    assert len(gone_on) == 1
    assert [one.scores for one in gone_on] == [one.scores for one in alone]


def test_square_photos_are_256_wide_by_either_option(tmp_path: Path) -> None:
    """The photos of `make_store` are 9×9."""
    features, _ = planted(4)
    small = EXPERIMENTS["table2"].rows("tiny", no_levels)[0]
    for longest, side, fits in ((9, 9, True), (9, 8, False), (10, 10, False), (None, 9, False)):
        path = make_store(tmp_path / f"{longest} {side}.h5", features, longest_side=longest)
        row = replace(small, resize=(side, side))
        with FeatureStore.open(path) as store:
            assert (fitting_store(row, [store]) is store) is fits
            if not fits:
                size = (
                    "at their own size"
                    if longest is None
                    else f"of at most {longest} pixels a side"
                )
                assert lacking(row, [store]).endswith(f"`; {path.name} has photos {size}")


def test_figure_7_is_a_line_over_levels() -> None:
    rows = EXPERIMENTS["fig7"].rows(None, no_levels)
    values = (0.5, 0.6, math.nan)
    outcomes = [
        Outcome(
            row,
            Result(
                "", math.nan, {"srcc": Estimate(value, value - 0.1, value + 0.1)}, (), (), (), 0
            ),
        )
        for row, value in zip(rows, values, strict=False)
    ]
    missing = [Outcome(row, reason="not run") for row in rows[len(values) :]]
    (axes,) = line_figure([*outcomes, *missing]).axes
    ours, papers = axes.lines
    np.testing.assert_array_equal(ours.get_xydata(), [[1, 0.5], [2, 0.6]])
    np.testing.assert_array_equal(papers.get_xydata(), [[11, 0.676]])
    assert axes.get_xlim() == (0.5, 11.5)


def test_unknown_experiment(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^unknown experiment 'table9'"):
        ExperimentJob("table9", (), "r.csv", tmp_path)
