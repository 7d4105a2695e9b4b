"""One scorer for the tests of bulk runs, which takes longer to open than their photos to score."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def scorer() -> object:
    from mlsp.scoring.scorer import Scorer

    return Scorer(workers=2)


@pytest.fixture(scope="module")
def opened_once(scorer: object) -> Iterator[None]:
    """Runs score by it; it decodes in this process."""
    from mlsp.bulk.shard_scoring import ScorerSettings

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScorerSettings, "load", lambda settings: scorer)
        yield
