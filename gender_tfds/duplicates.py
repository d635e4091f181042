"""Near-duplicate groups of pictures, found by a perceptual hash, so that no two copies land in different splits."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

import imagehash
import numpy as np
import PIL.Image
import scipy.sparse
import tqdm

from gender_tfds.orientation import TAG, upright
from gender_tfds.threads import in_threads

HASH_SIDE = 16  # a difference hash of 16 × 16 = 256 bits
# Pictures that differ in at most this many of the 256 bits are one group. For splitting, a group too many costs
# nothing and a missed one leaks: at 24, UTKFace's groups hold at most 4 faces, and every pair that another
# implementation of the hash puts within 10 bits is found (benchmarks/LOG.md).
MAX_DISTANCE = 24
_BLOCK = 512  # rows that are compared with as many others at once
_CHUNK = 64  # pictures that a thread hashes at once


def difference_hash(path: str | os.PathLike) -> np.ndarray:
    """Returns the picture's 256-bit difference hash, bool of shape (256,); all False if it can't be decoded."""
    try:
        with PIL.Image.open(path) as image:
            # libjpeg scales down while it decodes; the hash needs 17 × 16 pixels
            image.draft("L", (100, 100))
            # Pillow's own conversion to 8 bits makes nearly every pixel of 16 white
            in_16_bits = image.mode.startswith("I;16")
            grey = (np.asarray(image) >> 8).astype(np.uint8) if in_16_bits else np.asarray(image.convert("L"))
            # a picture that is stored on its side is a copy of the upright one
            pixels = upright(grey, image.getexif().get(TAG, 1))
            return imagehash.dhash(PIL.Image.fromarray(pixels), hash_size=HASH_SIDE).hash.ravel()
    except Exception:  # whatever a damaged file makes Pillow raise
        return np.zeros(HASH_SIDE**2, bool)


def _hashes(paths: Sequence[str | os.PathLike]) -> np.ndarray:
    """Returns the hash of each picture, bool of shape (n, 256)."""
    hashes, done = np.zeros((len(paths), HASH_SIDE**2), bool), 0

    def hash_all(some: Sequence[str | os.PathLike]) -> list[np.ndarray]:
        return [difference_hash(path) for path in some]

    with tqdm.tqdm(desc="Looking for near duplicates", total=len(paths), disable=None, unit=" pictures") as bar:
        for hashed in in_threads(hash_all, paths, _CHUNK):
            hashes[done : done + len(hashed)] = hashed
            done += len(hashed)
            bar.update(len(hashed))
    return hashes


def close_pairs(hashes: np.ndarray, max_distance: int = MAX_DISTANCE) -> np.ndarray:
    """Returns the pairs of rows that differ in at most `max_distance` places, int of shape (pairs, 2), i < j, sorted.

    Only rows that are equal in some of their places are compared, which for faces are an eighth of all pairs; the work
    still grows with the square of their number (benchmarks/scale.md).

    Args:
      hashes: bool of shape (n, bits).
    """
    # Of max_distance + 1 bands of places, a close pair is equal in one at least: so none is missed. Neighbouring bits
    # are alike, so that bands of places drawn at random tell more pictures apart.
    places, n = np.random.default_rng(0).permutation(hashes.shape[1]), len(hashes)
    numbers = np.zeros(0, int)  # of pairs: i * n + j
    for band in np.array_split(places, max_distance + 1):
        found = [numbers]
        for rows in _equal_rows(hashes[:, band]):
            found += [rows[i] * n + rows[j] for i, j in _close_of_all(hashes[rows], max_distance)]
        numbers = np.unique(np.concatenate(found))  # most pairs are equal in several bands
    return np.stack(np.divmod(numbers, max(n, 1)), axis=1)


def _equal_rows(values: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the numbers of the rows that are equal, in ascending order, of each value that is there twice or more."""
    packed = np.ascontiguousarray(np.packbits(values, axis=1))
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(keys[order][1:] != keys[order][:-1]) + 1
    return (rows for rows in np.split(order, starts) if len(rows) > 1)


def _close_of_all(hashes: np.ndarray, max_distance: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields i and j, i < j, of the close pairs among all pairs of rows, a block of them at a time."""
    # With signs for bits, distance = (bits - dot product) / 2: a matrix product, exact in float32.
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    least = hashes.shape[1] - 2 * max_distance
    for start in range(0, len(signs), _BLOCK):
        for other in range(start, len(signs), _BLOCK):
            close = signs[start : start + _BLOCK] @ signs[other : other + _BLOCK].T >= least
            if close.any():
                i, j = np.nonzero(close)
                later = i + start < j + other
                yield i[later] + start, j[later] + other


def group_numbers(pairs: np.ndarray, n: int) -> np.ndarray:
    """Returns the number of each picture's group, int of shape (n,): pictures that a chain of pairs connects."""
    graph = scipy.sparse.coo_matrix((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return scipy.sparse.csgraph.connected_components(graph, directed=False)[1]


def near_duplicate_groups(pictures: Mapping[str, str | os.PathLike]) -> dict[str, str]:
    """Returns the group of each picture by its name: the least name among its near duplicates.

    Args:
      pictures: the path of each picture by its name. One that can't be decoded is a group of its own.
    """
    if not pictures:
        return {}
    hashes = _hashes(list(pictures.values()))
    # copies counted once: a thousand of one picture would be half a million pairs
    distinct, copy_of = np.unique(hashes, axis=0, return_inverse=True)
    # a picture of one colour has no bit set; all such pictures would be one group
    has_bits = np.any(distinct, axis=1)
    pairs = close_pairs(distinct)
    numbers = group_numbers(pairs[np.all(has_bits[pairs], axis=1)], len(distinct))[copy_of]
    of_each = zip(_least_names(pictures, numbers).items(), has_bits[copy_of], strict=True)
    return {name: least if has_any else name for (name, least), has_any in of_each}


def joined_groups(memberships: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Returns the group of each name: the least name among those that groups connect, several where one is in several.

    Args:
      memberships: a group and a name in it.
    """
    nodes: dict[tuple[str, str], int] = {}
    pairs = [
        (nodes.setdefault(("name", name), len(nodes)), nodes.setdefault(("group", group), len(nodes)))
        for group, name in memberships
    ]
    numbers = group_numbers(np.array(pairs, int).reshape(-1, 2), len(nodes))
    of_names = {name: numbers[node] for (kind, name), node in nodes.items() if kind == "name"}
    return _least_names(of_names, of_names.values())


def _least_names(names: Iterable[str], numbers: Iterable[int]) -> dict[str, str]:
    """Returns the least name of those with the same number, by name."""
    least: dict[int, str] = {}
    named = list(zip(names, numbers, strict=True))
    for name, number in named:
        least[number] = min(name, least.get(number, name))
    return {name: least[number] for name, number in named}
