"""Fine-tuning of a tiny network of the same parts as the real ones, on small photos whose ratings follow from their colour."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from mlsp.backbones import BackboneSpec, Level, Preprocessing, backbone, build_network
from mlsp.backbones.convolution import ConvBatchNorm, inception_conv
from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import OutputError, RatingsError, SettingsError, TrainingError
from mlsp.base.results import ScoreFailure
from mlsp.cli import app
from mlsp.evaluation.metrics import srcc
from mlsp.evaluation.sources import FileScores
from mlsp.features.engines.torch_engine import TorchEngine
from mlsp.features.pipeline import FeaturePipeline
from mlsp.features.spec import FeatureSpec
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import HeadSpec, build_head
from mlsp.ratings.splits import Split
from mlsp.ratings.table import Rating, RatingTable
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer
from mlsp.training import TrainedHead, TrainingCallbacks, TrainSettings, train_head
from mlsp.training.finetuning import Finetuned, FinetuneSettings, Pretrained, finetune
from mlsp.training.finetuning.network import FinetunedNetwork, Piece, checkpointed, weights_digest
from mlsp.training.finetuning.photos import pieces
from mlsp.training.finetuning.settings import parse_pieces
from mlsp.training.finetuning.start import check_different_files, head_for, read_trained_head
from mlsp.training.run_folder import EpochRecord
from refusals import message

SPEC = BackboneSpec(
    name="tiny",
    levels=(Level("first", 8), Level("second", 12)),
    preprocessing=Preprocessing(1 / 127.5, -1.0),
    weights=(),
    smallest_side=8,
    origin="made for tests",
)


class Tiny(nn.Module):
    """Two blocks of a convolution, a batch norm without scale, and a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            (inception_conv(3, 8, 3, stride=2, is_valid=True), inception_conv(8, 12, 3))
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        levels = []
        for block in self.blocks:
            x = block(x)
            levels.append(x)
        return levels


# Networks so small are faster so, and sums have one order.
pytestmark = pytest.mark.usefixtures("one_thread")


def tiny() -> nn.Module:
    """With statistics that are not those of a new batch norm."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Tiny().eval()
        for unit in network.modules():
            if isinstance(unit, ConvBatchNorm):
                assert unit.bn.running_mean is not None
                assert unit.bn.running_var is not None
                unit.bn.running_mean.normal_(0, 0.1)
                unit.bn.running_var.uniform_(0.5, 1.5)
    return network


def linear(output: str = "mos") -> HeadSpec:
    if output == "distribution":
        return HeadSpec("single_1fc", output="distribution", lowest=1, highest=3, bins=(1, 2, 3))
    return HeadSpec("single_1fc", lowest=0, highest=1)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> RatingTable:
    """48 noisy photos of several sizes, rated 0 to 1 by how red they are, whatever their brightness; one is broken."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    ratings = []
    for number in range(48):
        red = number / 47
        size = ((24, 32, 3), (28, 24, 3), (24, 24, 3))[number % 3]
        noise = rng.integers(0, 60, size)
        pixels = noise + rng.integers(40) + np.array([100 * red, 50, 100 * (1 - red)])
        file = folder / f"{number}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(file)
        ratings.append(Rating(file, file.name, red))
    (folder / "5.png").write_bytes(b"no photo")
    return RatingTable("reds", 0.0, 1.0, tuple(ratings))


def split_of(table: RatingTable) -> Split:
    order = np.random.default_rng(1).permutation(len(table))
    return Split(np.sort(order[:32]), np.sort(order[32:40]), np.sort(order[40:]))


SETTINGS = FinetuneSettings(batch=8, epochs=3, views=3, validation_views=2, workers=2)


def run(
    table: RatingTable,
    folder: Path,
    *,
    head: HeadSpec | None = None,
    callbacks: TrainingCallbacks | None = None,
    on_failure: Callable[[ScoreFailure], None] = lambda _failed: None,
    network: nn.Module | None = None,
    start: Mapping[str, Tensor] | None = None,
    **changes: Any,
) -> Finetuned:
    return finetune(
        Pretrained(network or tiny(), SPEC, "random weights", start),
        table,
        split_of(table),
        head or linear(),
        dataclasses.replace(SETTINGS, **changes),
        run_folder=folder,
        callbacks=callbacks,
        on_failure=on_failure,
    )


def log_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as stream:
        return list(csv.DictReader(stream))


def views(count: int, size: tuple[int, int] = (21, 28)) -> UInt8Array:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (count, *size, 3), dtype=np.uint8)


def gradients(network: nn.Module) -> dict[str, Tensor]:
    return {
        name: array.grad.clone()
        for name, array in network.named_parameters()
        if array.grad is not None
    }


def learned_from(parts: list[Piece], head: str, targets: Tensor) -> tuple[float, dict[str, Tensor]]:
    """Loss and gradients of a fresh network, dropout switched off as it would be drawn for other shapes."""
    built = build_head(HeadSpec(head), SPEC.levels, **({"first": 16} if "3fc" in head else {}))
    for layer in built.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0
    network = FinetunedNetwork(tiny(), SPEC, built)
    loss = network.learn_from(parts, targets, nn.functional.mse_loss)
    return loss, gradients(network)


@pytest.mark.parametrize("head", ["single_1fc", "single_3fc"])
@pytest.mark.parametrize("at_most", [1, 3])
def test_a_batch_in_pieces_is_learned_from_as_a_whole(head: str, at_most: int) -> None:
    """Also by a head with batch norms, which see the whole batch; float32 sums in another order."""
    batch = [view[None] for view in views(6)]
    targets = torch.linspace(1, 10, 6)[:, None]
    cpu = torch.device("cpu")
    whole = pieces(batch, at_most=6, device=cpu)
    parts = pieces(batch, at_most=at_most, device=cpu)
    assert (len(whole), len(parts)) == (1, 6 // at_most)
    loss, expected = learned_from(whole, head, targets)
    other_loss, found = learned_from(parts, head, targets)
    assert other_loss == pytest.approx(loss, rel=1e-6)
    assert found.keys() == expected.keys()
    assert "pooled.network.inner.blocks.0.conv.weight" in found
    for name, gradient in expected.items():
        scale = max(float(gradient.abs().max()), 1e-3)
        assert float((found[name] - gradient).abs().max()) <= 1e-4 * scale, name


def test_pieces_hold_views_of_one_size_and_all_of_them() -> None:
    sizes = [(21, 28), (24, 21), (21, 28), (700, 700), (700, 700), (21, 28)]
    batch = [views(1, size) + number for number, size in enumerate(sizes)]
    parts = pieces(batch, at_most=None, device=torch.device("cpu"))
    assert [part.indices.tolist() for part in parts] == [[0, 2, 5], [1], [3, 4]]
    for part in parts:
        for place, view in zip(part.indices.tolist(), part.views, strict=True):
            np.testing.assert_array_equal(view.numpy(), batch[place][0])
    few = pieces(batch, at_most=2, device=torch.device("cpu"))
    assert [part.indices.tolist() for part in few] == [[0, 2], [5], [1], [3, 4]]


def test_checkpointing_changes_memory_only() -> None:
    spec = backbone("efficientnet_lite0")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(spec)
    head = build_head(HeadSpec("single_1fc"), spec.levels)
    end_to_end = FinetunedNetwork(network, spec, head)
    photos = torch.from_numpy(views(1, (48, 54)))
    kept: list[int] = []
    found = []
    # What is kept for the way back, but for weights: what peak memory is made of.
    own = {array.data_ptr() for array in network.parameters()}
    for saving in (False, True):
        seen: dict[int, int] = {}

        def note(array: Tensor, seen: dict[int, int] = seen) -> Tensor:
            if array.data_ptr() not in own:
                seen[array.data_ptr()] = array.untyped_storage().nbytes()
            return array

        end_to_end.zero_grad()
        with checkpointed(network) if saving else contextlib.nullcontext():
            with torch.autograd.graph.saved_tensors_hooks(note, lambda array: array):
                out = end_to_end(photos)
            kept.append(sum(seen.values()))
            out.sum().backward()
        found.append(gradients(end_to_end))
    assert kept[1] < 0.5 * kept[0]
    assert found[0].keys() == found[1].keys()
    for key, gradient in found[0].items():
        torch.testing.assert_close(found[1][key], gradient, rtol=1e-4, atol=1e-6)
    assert all("forward" not in vars(module) for module in network.modules())


@pytest.mark.parametrize(
    ("name", "count"),
    # Stem, blocks and, of EfficientNet, the head convolution; of InceptionResNet the residual ways too.
    [
        ("efficientnet_lite0", 1 + 16 + 1),
        ("inception_v3", 1 + 11),
        ("inception_resnet_v2", 1 + 43 + 39),
    ],
)
def test_all_of_a_network_is_in_blocks(name: str, count: int) -> None:
    with torch.device("meta"):
        network = build_network(backbone(name))
    with checkpointed(network):
        blocks = [module for module in network.modules() if "forward" in vars(module)]
    assert len(blocks) == count
    inside = sum(array.numel() for block in blocks for array in block.parameters())
    assert inside == sum(array.numel() for array in network.parameters())


@pytest.fixture(scope="module")
def finetuned(table: RatingTable, tmp_path_factory: pytest.TempPathFactory) -> Finetuned:
    """A run long enough to learn; at a rate that a tiny network bears."""
    folder = tmp_path_factory.mktemp("run") / "run"
    return run(table, folder, epochs=12, batch=4, learning_rate=2e-2)


def test_a_planted_signal_is_learned(finetuned: Finetuned) -> None:
    measured = finetuned.measure()
    assert measured.test is not None
    assert measured.test_random is not None
    assert measured.test.srcc >= 0.9
    assert measured.test_random.srcc >= 0.9
    assert not np.array_equal(measured.test.scores, measured.test_random.scores)
    losses = [float(row["validation_loss"]) for row in log_of(finetuned.folder)]
    # Of the ratings' variance, evenly spread over 9 of the paper's scale.
    assert min(losses) < 0.15 * 9**2 / 12


def test_what_is_frozen_stays_and_all_else_is_learned(finetuned: Finetuned) -> None:
    before, after = tiny().state_dict(), finetuned.network.network.state_dict()
    for name, array in before.items():
        frozen = name.endswith(("running_mean", "running_var", "num_batches_tracked", "bn.weight"))
        assert torch.equal(after[name], array) == frozen, name


def test_the_model_scores_without_torch_as_torch_does(finetuned: Finetuned, tmp_path: Path) -> None:
    model = finetuned.write(tmp_path / "model", name="reds")
    assert model.feature_spec.views == "corners8"
    assert model.feature_spec.weights_sha256 == weights_digest(finetuned.network.network)
    assert model.feature_spec.weights_sha256 != weights_digest(tiny())
    rows = [int(row) for row in finetuned.split.test]
    photos = [finetuned.reader.table.photos[row] for row in rows]
    scored = list(Scorer(tmp_path / "model", precision="float32").score(photos))
    test = finetuned.measure().test
    assert test is not None
    values = [one.scores["score"].value for one in scored if isinstance(one, ScoreResult)]
    # The scorer's features come in steps of 16 bits.
    np.testing.assert_allclose(values, test.scores.clip(0, 1), atol=1e-3)
    assert model.smallest_side == 10
    stated = [
        (one.photos.split(" photos")[0], one.photos.split("; ")[-1])
        for one in model.heads[0].agreement
    ]
    assert stated == [
        ("test", "views corners8"),
        ("test", "3 random views"),
        ("validation", "views corners8"),
    ]
    assert model.heads[0].agreement[0].srcc == test.srcc
    results = json.loads((finetuned.folder / "results.json").read_text("utf-8"))
    assert results == [dataclasses.asdict(one) for one in model.heads[0].agreement]
    # By random views, as the paper's: another table reads them.
    found = FileScores(finetuned.folder / "test-scores.csv").read(finetuned.reader.table)
    mos = dict(zip(finetuned.reader.table.photo_ids, finetuned.reader.table.mos, strict=True))
    people = [mos[photo] for photo in found.scores]
    assert srcc(list(found.scores.values()), people) == pytest.approx(results[1]["srcc"])


def test_a_killed_run_ends_where_it_would_have(table: RatingTable, tmp_path: Path) -> None:
    """With dropout, whose draws must not depend on when a run was begun."""
    head = HeadSpec("multi_3fc", lowest=0, highest=1)
    whole = run(table, tmp_path / "whole", head=head, epochs=4)

    def die(record: EpochRecord) -> None:
        if record.epoch == 2:
            raise KeyboardInterrupt

    def die_inside(batch: int) -> None:
        if batch:
            raise KeyboardInterrupt

    for callbacks in (TrainingCallbacks(epoch_done=die), TrainingCallbacks(batch_done=die_inside)):
        with pytest.raises(KeyboardInterrupt):
            run(table, tmp_path / "killed", head=head, epochs=4, callbacks=callbacks)
    epochs: list[int] = []
    callbacks = TrainingCallbacks(epoch_done=lambda record: epochs.append(record.epoch))
    resumed = run(table, tmp_path / "killed", head=head, epochs=4, callbacks=callbacks)
    assert epochs == [3, 4]
    expected = whole.network.state_dict()
    for name, array in resumed.network.state_dict().items():
        assert torch.equal(array, expected[name]), name
    logs = [
        [{**row, "seconds": "", "rows_per_s": ""} for row in log_of(tmp_path / folder)]
        for folder in ("whole", "killed")
    ]
    assert logs[0] == logs[1]
    assert [row["epoch"] for row in logs[0]] == ["1", "2", "3", "4"]
    assert logs[0][0]["learning_rate"] == "0.0001"


def test_neither_threads_nor_torchs_generator_change_a_run(
    table: RatingTable, tmp_path: Path
) -> None:
    head = HeadSpec("multi_3fc", lowest=0, highest=1)
    torch.manual_seed(1)
    one = run(table, tmp_path / "one", head=head, epochs=1, workers=1)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), drawn)
    torch.manual_seed(2)
    four = run(table, tmp_path / "four", head=head, epochs=1, workers=4)
    assert weights_digest(one.network) == weights_digest(four.network)
    other = run(table, tmp_path / "other", head=head, epochs=1, seed=1)
    assert weights_digest(one.network) != weights_digest(other.network)


def test_a_photo_that_cannot_be_read_is_named_once(table: RatingTable, tmp_path: Path) -> None:
    failed: list[ScoreFailure] = []
    done = run(table, tmp_path / "run", epochs=2, on_failure=failed.append)
    done.measure()
    assert [one.source.name for one in failed] == ["5.png"]
    assert str(failed[0].error).startswith("it is not in a format that is read. ")
    assert list(done.reader.failed) == [5]


def test_photos_without_augmentation_are_seen_whole(table: RatingTable, tmp_path: Path) -> None:
    done = run(table, tmp_path / "run", epochs=1, augment=False, resize=(16, 12))
    assert done.feature_spec.views == "whole"
    assert done.feature_spec.resize == (16, 12)
    measured = done.measure()
    assert measured.test is not None
    assert measured.test_random is None
    row = int(measured.test.rows[0])
    pixels = torch.from_numpy(
        next(iter(done.reader.views([row], lambda pixels, _: pixels[None])))[1]
    )
    assert pixels.shape == (1, 12, 16, 3)
    with torch.no_grad():
        score = done.network.head.eval()(done.network.features(pixels))
    assert measured.test.scores[0] == pytest.approx(float(score), abs=1e-6)


def test_distributions_are_learned(table: RatingTable, tmp_path: Path) -> None:
    ratings = []
    for rating in table:
        votes = (1 - rating.mos, 0.5, rating.mos)
        mean = float(np.dot(votes, (1, 2, 3)) / 1.5)
        ratings.append(dataclasses.replace(rating, mos=mean, votes=votes))
    voted = RatingTable("reds", 1.0, 3.0, tuple(ratings), bins=(1.0, 2.0, 3.0))
    done = run(voted, tmp_path / "run", head=linear("distribution"), epochs=2)
    first, last = log_of(tmp_path / "run")
    assert float(last["train_loss"]) < float(first["train_loss"]) < 1
    scores = done.measure().validation.scores
    assert 1 <= scores.min() < scores.max() <= 3
    found = FileScores(tmp_path / "run" / "test-scores.csv").read(voted)
    assert found.votes is not None
    shares = np.array([found.votes[photo] for photo in found.scores])
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(shares @ [1, 2, 3], list(found.scores.values()), rtol=1e-5)


def trained_head(table: RatingTable, folder: Path) -> TrainedHead:
    """A head trained on the features that the network makes before it is fine-tuned."""
    levels = tuple(level.name for level in SPEC.levels)
    feature_spec = FeatureSpec(SPEC.name, "0" * 64, levels, "whole", None, 1)
    engine = TorchEngine(tiny(), SPEC, feature_spec, device="cpu")
    with FeatureStore.create(
        folder / "f.h5", StoreLayout(feature_spec, (8, 12), (1,), dtype="float32"), table.photo_ids
    ) as store:
        for row, found in enumerate(FeaturePipeline(engine, workers=1).extract(table.photos)):
            if isinstance(found, ScoreFailure):
                store.write_failure(row, str(found.error))
            else:
                store.write(
                    row,
                    {1: found.features},
                    width=found.width,
                    height=found.height,
                    content_sha256=found.content_sha256,
                )
    with FeatureStore.open(folder / "f.h5") as store:
        return train_head(
            store,
            table,
            split_of(table),
            linear(),
            TrainSettings(epochs=2, batch=8),
            run_folder=folder / "trained.run",
        )


def test_a_head_that_learned_from_features_is_a_start(table: RatingTable, tmp_path: Path) -> None:
    trained = trained_head(table, tmp_path)
    start = read_trained_head(tmp_path / "trained.run")
    # Its steps are too small to be seen, so that it ends as it began.
    done = run(table, tmp_path / "run", epochs=1, start=start, learning_rate=1e-12)
    for name, array in trained.module.state_dict().items():
        torch.testing.assert_close(done.network.head.state_dict()[name], array, rtol=0, atol=1e-9)
    fresh = build_head(linear(), SPEC.levels).state_dict()
    assert not torch.equal(fresh["body.weight"], start["body.weight"])


def test_starts_that_are_none(table: RatingTable, tmp_path: Path) -> None:
    start = build_head(linear(), SPEC.levels).state_dict()
    other = {name: array for name, array in start.items() if name != "body.bias"}
    assert message(SettingsError, lambda: run(table, tmp_path / "new", start=other)) == (
        'the head to start with is another one: Missing key(s) in state_dict: "body.bias".:'
        " give its own name, levels and network"
    )
    hint = "give the folder that `mlsp train` keeps beside its model, with .run after its name"
    assert message(SettingsError, lambda: read_trained_head(tmp_path)) == (
        f"{tmp_path} is no run folder: {hint}"
    )
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "run.json").write_text("[]")
    assert message(SettingsError, lambda: read_trained_head(tmp_path / "torn")) == (
        f"{tmp_path}/torn/run.json cannot be read: it is no JSON object, {{…}}: {hint}"
    )
    with pytest.raises(KeyboardInterrupt):
        run(table, tmp_path / "begun", callbacks=TrainingCallbacks(epoch_begins=_stop))
    assert message(SettingsError, lambda: read_trained_head(tmp_path / "begun")) == (
        f"run folder {tmp_path}/begun has no epoch that is over: train on"
    )
    run(table, tmp_path / "done", epochs=1)
    assert message(SettingsError, lambda: read_trained_head(tmp_path / "done")) == (
        f"run folder {tmp_path}/done is of a fine-tuning: {hint}"
    )


def _stop(_epoch: int, _photos: int) -> None:
    raise KeyboardInterrupt


def test_one_file_under_two_names_is_not_learned_from_and_tested(
    table: RatingTable, tmp_path: Path
) -> None:
    split = split_of(table)
    check_different_files(table, split)
    learned, tested = int(split.train[0]), int(split.test[0])
    ratings = list(table.ratings)
    copy = tmp_path / "copy.png"
    shutil.copy(ratings[learned].photo, copy)
    ratings[tested] = dataclasses.replace(ratings[tested], photo=copy, photo_id="copy.png")
    assert message(
        RatingsError,
        lambda: check_different_files(dataclasses.replace(table, ratings=tuple(ratings)), split),
    ).startswith(
        "reds: 1 of 8 test photos are the same files as photos that are learned from: 'copy.png ("
    )


def test_heads_by_users_words(table: RatingTable) -> None:
    def head(**changes: Any) -> HeadSpec:
        words: dict[str, Any] = {
            "name": "single_3fc",
            "levels": "last5",
            "distribution": False,
            "more_dropout": True,
        }
        return head_for(table, "inception_v3", **words | changes)

    names = tuple(f"mixed{number}" for number in range(6, 11))
    expected = HeadSpec("single_3fc", levels=names, more_dropout=True, lowest=0, highest=1)
    assert head() == expected
    assert head(levels="all") == dataclasses.replace(expected, levels=None)
    assert message(RatingsError, lambda: head(distribution=True)).startswith(
        "reds has mean ratings only: "
    )


def test_pieces_by_users_words() -> None:
    assert (parse_pieces("auto"), parse_pieces("4")) == (0, 4)
    assert message(SettingsError, lambda: parse_pieces("0")) == (
        "accumulate is 'auto' or a number of pieces from 1, got '0'"
    )


def test_the_command_makes_a_model(examples: Path, tmp_path: Path) -> None:
    lines = ["photo,mos,split"]
    for number in range(14):
        split = "train" if number < 8 else "validation" if number < 11 else "test"
        name = ("chelsea.png", "coffee.png")[number % 2]
        photo = Image.open(examples / name).convert("RGB").resize((60 + number, 50))
        photo.save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{number % 5},{split}")
    lines.append("gone.png,3,train")
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n", "utf-8")
    done = CliRunner().invoke(
        app,
        [
            *("finetune", str(tmp_path / "ratings.csv"), "--backbone", "efficientnet_lite0"),
            *("--head", "single_1fc", "--output", str(tmp_path / "model"), "--epochs", "1"),
            *("--batch", "4", "--accumulate", "2", "--checkpointing", "--test-crops", "2"),
            *("--resize", "48x40", "--device", "cpu"),
        ],
    )
    assert done.exit_code == 1, done.output
    assert f"{tmp_path}/gone.png: there is no such file" in done.output
    assert "epoch 1: learning rate 0.0001, " in done.output
    assert "on 3 test photos of ratings" in done.output
    (scored,) = Scorer(tmp_path / "model").score([tmp_path / "3.png"])
    assert isinstance(scored, ScoreResult)
    assert 0 <= scored.scores["score"].value <= 4
    assert (tmp_path / "model.run" / "log.csv").exists()


def test_a_folder_of_another_run_is_refused(table: RatingTable, tmp_path: Path) -> None:
    run(table, tmp_path / "run", epochs=1)
    assert message(SettingsError, lambda: run(table, tmp_path / "run", epochs=1, batch=4)) == (
        f"run folder {tmp_path}/run was begun with batch 8, got 4: give the same again, or choose another run folder"
    )
    (tmp_path / "run" / "last.pt").write_bytes(b"PK")
    assert message(TrainingError, lambda: run(table, tmp_path / "run", epochs=1)) == (
        f"{tmp_path}/run/last.pt is damaged: remove the run folder and begin again"
    )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    assert message(OutputError, lambda: run(table, tmp_path / "full")) == (
        f"{tmp_path}/full is no run folder, and not empty: choose another"
    )


def test_photos_that_all_fail(table: RatingTable, tmp_path: Path) -> None:
    gone = [dataclasses.replace(rating, photo=tmp_path / rating.photo_id) for rating in table]
    nothing = dataclasses.replace(table, ratings=tuple(gone))
    assert message(RatingsError, lambda: run(nothing, tmp_path / "run")) == (
        "reds: fewer than 2 of 32 photos to learn from could be read: check the paths"
    )


def test_a_loss_that_is_no_number_stops_the_run(table: RatingTable, tmp_path: Path) -> None:
    network = tiny()
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    assert message(TrainingError, lambda: run(table, tmp_path / "run", network=network)) == (
        "the loss became nan in epoch 1: the run stops, and its last whole epoch is kept; take precision float32, a lower learning"
        " rate, or trained weights to begin with"
    )
    assert not (tmp_path / "run" / "last.pt").exists()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"batch": 1}, "batch must be at least 2, got 1"),
        ({"views": 0}, "views must be at least 1, got 0"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, got 0.0"),
        (
            {"accumulate": 9},
            "a batch of 8 cannot be divided into 9 pieces: give at most 8",
        ),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        (
            {"device": "gpu"},
            "unknown device 'gpu': did you mean 'cpu'? Known: 'auto', 'cpu', 'cuda'",
        ),
        (
            {"precision": "float16", "device": "cuda"},
            "gradients of a network are too small for float16: use 'bfloat16', 'float32' or 'auto'",
        ),
        (
            {"resize": (256, 256), "longest_side": 512},
            "photos can be reduced to a longest side of 512 or resized to 256×256: choose one",
        ),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], expected: str) -> None:
    assert message(SettingsError, lambda: dataclasses.replace(SETTINGS, **changes)) == expected


def test_networks_without_a_graph_are_refused(table: RatingTable, tmp_path: Path) -> None:
    spec = dataclasses.replace(SPEC, export="never")
    pretrained = Pretrained(tiny(), spec, "")
    split = split_of(table)
    assert message(
        SettingsError,
        lambda: finetune(pretrained, table, split, linear(), SETTINGS, run_folder=tmp_path / "r"),
    ) == (
        "no graph of tiny is right for photos of every size, so it cannot become a model: fine-tune another network"
    )
