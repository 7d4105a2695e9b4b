import numpy as np
import pytest

from mlsp.base.errors import SettingsError
from mlsp.photos import resize_pixels
from mlsp.photos.crops import VIEW_COUNTS, ViewsName, cut_views, random_view, random_views

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


def test_random_views_equal_cutting_by_hand() -> None:
    # Draws of the same generator: place of the top, of the left, mirrored or not.
    drawn = np.random.default_rng(5)
    views = random_views(PHOTO, 40, np.random.default_rng(5))
    assert views.shape == (40, 35, 58, 3)
    for view in views:
        top, left, mirrored = drawn.integers(7), drawn.integers(10), drawn.integers(2)
        by_hand = PHOTO[top : top + 35, left : left + 58]
        np.testing.assert_array_equal(view, by_hand[:, ::-1] if mirrored else by_hand)


def test_random_views_are_at_all_places_alike() -> None:
    """A photo whose pixels say where they are; chi-square over the 7 × 10 places and both sides, 139 degrees of freedom."""
    rows, columns = np.indices(PHOTO.shape[:2])
    photo = np.stack([rows, columns, columns], axis=2).astype(np.uint8)
    counts = np.zeros((7, 10, 2))
    rng = np.random.default_rng(0)
    for _ in range(7000):
        view = random_view(photo, rng)
        counts[view[0, 0, 0], view[0, :, 1].min(), int(view[0, 0, 1] > view[0, -1, 1])] += 1
    # Exceeded by chance once in a million seeds.
    assert ((counts - 50) ** 2 / 50).sum() < 230


def test_random_views_of_the_papers_table_2() -> None:
    photo = resize_pixels(
        np.random.default_rng(1).integers(0, 256, (300, 700, 3), np.uint8), (256, 256)
    )
    drawn = np.random.default_rng(2)
    views = random_views(photo, 20, np.random.default_rng(2))
    for view in views:
        top, left, mirrored = drawn.integers(33), drawn.integers(33), drawn.integers(2)
        by_hand = photo[top : top + 224, left : left + 224]
        np.testing.assert_array_equal(view, by_hand[:, ::-1] if mirrored else by_hand)


def test_a_random_view_is_no_part_of_the_photo() -> None:
    rng = np.random.default_rng(0)
    assert not any(np.shares_memory(random_view(PHOTO, rng), PHOTO) for _ in range(8))


def test_no_views() -> None:
    with pytest.raises(SettingsError, match="^random views must be at least 1, got 0$"):
        random_views(PHOTO, 0, np.random.default_rng(0))
