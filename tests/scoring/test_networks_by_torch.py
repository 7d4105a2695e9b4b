"""Models without their network's graph score photos by torch, from published weights."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from download_site import Site, serve_site
from mlsp.backbones import (
    BACKBONES,
    BackboneSpec,
    Level,
    Preprocessing,
    WeightsFile,
    register_backbone,
)
from mlsp.base.errors import WeightsError
from mlsp.base.results import ScoreFailure
from mlsp.features.extractor import FeatureExtractor
from mlsp.features.spec import FeatureSpec
from mlsp.models.heads import HeadSpec, ScoreHead, build_head
from mlsp.models.records import Card, HeadRecord
from mlsp.models.writing import write_model
from mlsp.scoring.scorer import Scorer

LEVELS = (Level("first", 4),)
RECORD = HeadRecord("score", "", "", "liked", 1, 10, "nobody's", (), ())


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.first(x)]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    """Publishes the weights of a network, registered as one without a graph; their digest is not known, as those of timm are not."""
    monkeypatch.setenv("MLSP_CACHE_DIR", str(tmp_path / "cache"))
    torch.manual_seed(0)
    content = io.BytesIO()
    torch.save(Tiny().state_dict(), content)
    with serve_site(content.getvalue(), monkeypatch) as served:
        file = WeightsFile(served.url, None, None, "CC0-1.0", "state_dict")
        preprocessing = Preprocessing(scale=1 / 255, offset=0.0)
        record = BackboneSpec(
            "tiny", LEVELS, preprocessing, (file,), 8, "this test", export="never"
        )
        register_backbone(record, Tiny)
        yield served
        BACKBONES.discard("tiny")


def write(folder: Path, feature_spec: FeatureSpec) -> ScoreHead:
    head = build_head(HeadSpec("single_1fc"), LEVELS, seed=1).eval()
    with torch.no_grad():
        # Within the scale.
        list(head.body.parameters())[-1].fill_(5)
    write_model(
        folder,
        name="tiny",
        feature_spec=feature_spec,
        smallest_side=8,
        heads=[(RECORD, head)],
        channels=4,
        card=Card("A test.", (), (), "CC0-1.0"),
        backbone=None,
    )
    return head


def test_weights_whose_digest_nobody_published(site: Site, tmp_path: Path, examples: Path) -> None:
    photo = examples / "chelsea.png"
    extractor = FeatureExtractor("tiny", grid="narrow")
    (found,) = extractor.extract([photo])
    assert not isinstance(found, ScoreFailure)
    head = write(tmp_path / "model", extractor.feature_spec)
    with torch.no_grad():
        expected = float(head(torch.from_numpy(found.features)))
    with Scorer(tmp_path / "model") as scorer:
        assert scorer.score_one(photo).scores["score"].value == pytest.approx(expected, abs=0.001)
    assert site.connections == 1
    other = FeatureSpec("tiny", "0" * 64, ("first",), "whole", None, 1)
    write(tmp_path / "other", other)
    with pytest.raises(WeightsError, match=r"SHA-256 .*, expected 0{64}: give the file that"):
        Scorer(tmp_path / "other")
