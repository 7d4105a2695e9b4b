"""What is kept of a face: numbers about the picture, none about whose face it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EyesState = Literal["open", "closed", "unclear"]


@dataclass(frozen=True, slots=True)
class Eye:
    """An eye.

    Attributes:
        gap: between the lids, as a share of the eye's width: about .25 open, .1 closed.
        width: in pixels of the photo at full size.
        blur: see `Face`; None where the eye is too small.
    """

    gap: float
    width: float
    blur: float | None


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a photo.

    Attributes:
        left: of its box, as a share of the photo's width; like the others it is beyond 0…1 where the face is cut off.
        top: as a share of the photo's height.
        right: as a share of the photo's width.
        bottom: as a share of the photo's height.
        prominence: 0…1, by size and place; 1 for the most prominent face of the photo.
        presence: how sure it is a face, 0…1.
        eyes_state: `unclear` where eyes are hidden, too small or half closed.
        eyes: on the left and on the right of the picture.
        blur: standard deviation of the blur of its edges, in pixels at full size (`mlsp.culling.sharpness`); None where it has none.
        is_cut_off: whether the photo's border cuts it off.
    """

    left: float
    top: float
    right: float
    bottom: float
    prominence: float
    presence: float
    eyes_state: EyesState
    eyes: tuple[Eye, Eye]
    blur: float | None
    is_cut_off: bool

    @property
    def is_prominent(self) -> bool:
        """Whether it is one of the faces that matter in the photo."""
        return self.prominence >= _PROMINENT

    @property
    def sharpest_blur(self) -> float | None:
        """Blur of the sharper eye, which is where a lens is focused; of the face where the eyes have none."""
        blurs = [eye.blur for eye in self.eyes if eye.blur is not None]
        return min(blurs, default=self.blur)


# As large as half of the most prominent face.
_PROMINENT = 0.5
