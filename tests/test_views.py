import numpy as np
import pytest

from mlsp.errors import SettingsError
from mlsp.views import VIEW_COUNTS, ViewsName, cut_views

PHOTO = np.random.default_rng(0).integers(0, 256, (41, 67, 3), dtype=np.uint8)


@pytest.mark.parametrize("views", list(VIEW_COUNTS))
def test_number_of_views(views: ViewsName) -> None:
    assert len(cut_views(PHOTO, views)) == VIEW_COUNTS[views]


def test_whole_is_the_photo_itself() -> None:
    assert np.shares_memory(cut_views(PHOTO, "whole"), PHOTO)


def test_corners_equal_cutting_by_hand() -> None:
    views = cut_views(PHOTO, "corners8")
    # floor(.875 · 41) = 35, floor(.875 · 67) = 58
    by_hand = [PHOTO[:35, :58], PHOTO[:35, 9:], PHOTO[6:, :58], PHOTO[6:, 9:]]
    for number, crop in enumerate(by_hand):
        np.testing.assert_array_equal(views[2 * number], crop)
        np.testing.assert_array_equal(views[2 * number + 1], crop[:, ::-1])


def test_a_photo_of_one_pixel_has_views() -> None:
    assert cut_views(PHOTO[:1, :1], "corners8").shape == (8, 1, 1, 3)


def test_unknown_views() -> None:
    with pytest.raises(
        SettingsError, match=r"^unknown views 'corner8': did you mean 'corners8'\? "
    ):
        cut_views(PHOTO, "corner8")  # type: ignore[arg-type]
