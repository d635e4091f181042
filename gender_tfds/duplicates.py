"""Near-duplicate groups of pictures, found by a perceptual hash, so that no two copies land in different splits."""

import concurrent.futures
import os
from collections.abc import Mapping

import imagehash
import numpy as np
import PIL.Image
import PIL.ImageOps
import scipy.sparse
import tqdm

HASH_SIDE = 16  # a difference hash of 16 × 16 = 256 bits
# Pictures that differ in at most this many of the 256 bits are one group. For splitting, a group too many costs
# nothing and a missed one leaks: at 24, UTKFace's groups hold at most 4 faces, and every pair that another
# implementation of the hash puts within 10 bits is found (benchmarks/LOG.md).
MAX_DISTANCE = 24


def difference_hash(path: str | os.PathLike) -> np.ndarray:
    """Returns the picture's 256-bit difference hash, bool of shape (256,); all False if it can't be decoded."""
    try:
        with PIL.Image.open(path) as image:
            # libjpeg scales down while it decodes; the hash needs 17 × 16 pixels
            image.draft("L", (100, 100))
            # a picture that is stored on its side is a copy of the upright one
            upright = PIL.ImageOps.exif_transpose(image)
            return imagehash.dhash(upright, hash_size=HASH_SIDE).hash.ravel()
    except (OSError, ValueError, PIL.Image.DecompressionBombError):
        return np.zeros(HASH_SIDE**2, bool)


def close_pairs(hashes: np.ndarray, max_distance: int = MAX_DISTANCE) -> np.ndarray:
    """Returns the pairs of rows that differ in at most `max_distance` places, int of shape (pairs, 2), i < j.

    Args:
      hashes: bool of shape (n, bits).
    """
    # With signs for bits, distance = (bits - dot product) / 2: a matrix product, exact in float32.
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    least = hashes.shape[1] - 2 * max_distance
    pairs = []
    for start in range(0, len(signs), 512):
        rows, columns = np.nonzero(signs[start : start + 512] @ signs[start:].T >= least)
        later = columns > rows
        pairs.append(np.stack([rows[later], columns[later]], axis=1) + start)
    return np.concatenate(pairs) if pairs else np.zeros((0, 2), int)


def group_numbers(pairs: np.ndarray, n: int) -> np.ndarray:
    """Returns the number of each picture's group, int of shape (n,): pictures that a chain of pairs connects."""
    graph = scipy.sparse.coo_matrix((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return scipy.sparse.csgraph.connected_components(graph, directed=False)[1]


def near_duplicate_groups(pictures: Mapping[str, str | os.PathLike]) -> dict[str, str]:
    """Returns the group of each picture by its name: the least name among its near duplicates.

    Args:
      pictures: the path of each picture by its name. One that can't be decoded is a group of its own.
    """
    with concurrent.futures.ThreadPoolExecutor() as pool:
        hashed = pool.map(difference_hash, pictures.values())
        shown = tqdm.tqdm(hashed, "Looking for near duplicates", len(pictures), disable=None, unit=" pictures")
        bits = list(shown)
    if not pictures:
        return {}
    hashes = np.stack(bits)
    pairs = close_pairs(hashes)
    # a picture of one colour has no bit set; all such pictures would be one group
    has_bits = np.any(hashes, axis=1)
    pairs = pairs[np.all(has_bits[pairs], axis=1)]
    numbers = group_numbers(pairs, len(pictures))
    least: dict[int, str] = {}
    for name, number in zip(pictures, numbers, strict=True):
        least[number] = min(name, least.get(number, name))
    return {name: least[number] for name, number in zip(pictures, numbers, strict=True)}
