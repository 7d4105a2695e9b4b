"""Quantiles of the mean opinion scores of AVA's official test photos, as `mlsp.models.released` has them.

    python tools/ava_test_quantiles.py generic_test.jpgl VOTES...

VOTES are AVA.txt itself or label lists that others published: the JSON of idealo/image-quality-assessment (`image_id`, `label`), or
tables with an image id and ten columns of votes, such as test.csv and val.csv of woshidandan/TANet-image-aesthetics-and-quality-assessment.
A photo that is in several must have the same votes in all.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_STEPS = 51
_VALUES = np.arange(1, 11)

Votes = tuple[int, ...]


def read_votes(file: Path) -> Iterator[tuple[str, Votes]]:
    """Yield image id and votes for 1…10 of each photo."""
    if file.suffix == ".json":
        for entry in json.loads(file.read_text("utf-8")):
            yield entry["image_id"], tuple(entry["label"])
        return
    with file.open(encoding="utf-8", newline="") as stream:
        if file.suffix == ".csv":
            for row in csv.reader(stream):
                if len(row) > len(_VALUES) and row[1].isdecimal():
                    yield row[0], tuple(map(int, row[1:11]))
        else:
            for line in stream:
                _, image, *votes = line.split()
                yield image, tuple(map(int, votes[:10]))


def main() -> None:
    """Print what was found, and the quantiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("test_list", type=Path)
    parser.add_argument("votes", type=Path, nargs="+")
    arguments = parser.parse_args()
    test = set(arguments.test_list.read_text("utf-8").split())
    known: dict[str, Votes] = {}
    for file in arguments.votes:
        for image, votes in read_votes(file):
            if image in test and known.setdefault(image, votes) != votes:
                parser.error(f"{file}: photo {image} has other votes than in an earlier file")
    counts = np.array(list(known.values()), dtype=np.float64)
    means = counts @ _VALUES / counts.sum(axis=1)
    print(f"{len(means)} of the {len(test)} photos of the list have votes")
    print(
        f"mean {means.mean():.3f}, deviation {means.std():.3f}, above 5: {(means > 5).mean():.2%}"
    )
    print(", ".join(f"{value:.3f}" for value in np.quantile(means, np.linspace(0, 1, _STEPS))))


if __name__ == "__main__":
    main()
