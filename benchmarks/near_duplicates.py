"""Claim: at `duplicates.MAX_DISTANCE` no pair of a reference list is missed and no group grows large.

    python benchmarks/near_duplicates.py FOLDER

FOLDER holds `UTKFace/` and `near_duplicates.tsv` (columns group, filename), groups found by another implementation of
the difference hash within 10 of 256 bits. Prints, for several thresholds, how many of its groups are found whole.
"""

import argparse
import collections
import csv
import pathlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gender_tfds.duplicates import MAX_DISTANCE, close_pairs, difference_hash, group_numbers


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    paths = sorted((folder / "UTKFace").iterdir())
    names = [path.name for path in paths]
    with ThreadPoolExecutor() as pool:
        hashes = np.stack(list(pool.map(difference_hash, paths)))
    reference = collections.defaultdict(set)
    for row in csv.DictReader((folder / "near_duplicates.tsv").open(), delimiter="\t"):
        reference[row["group"]].add(row["filename"])
    reference = [found for members in reference.values() if len(found := members & set(names)) > 1]
    for distance in (10, 12, 16, 20, MAX_DISTANCE, 28, 32):
        component = group_numbers(close_pairs(hashes, distance), len(names))
        number = dict(zip(names, component, strict=True))
        whole = sum(len({number[name] for name in members}) == 1 for members in reference)
        sizes = np.bincount(component)
        print(
            f"within {distance:2d} bits: {whole} of {len(reference)} reference groups found whole;"
            f" {(sizes > 1).sum()} groups, the largest of {sizes.max()} pictures"
        )


if __name__ == "__main__":
    main()
