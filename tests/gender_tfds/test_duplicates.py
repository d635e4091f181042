"""duplicates: copies of a picture are one group, however they were saved; different faces are not."""

import csv
import functools
import io
import itertools
import random
import struct
from unittest import mock

import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest

from gender_tfds import duplicates
from gender_tfds.drawn_faces.picture import draw_face, encode_face

DRAWN = 12  # of 300 drawn faces no two differ in fewer than 62 bits: measured, and measured again below


def _write(folder, name, encoded):
    (folder / name).write_bytes(encoded)
    return folder / name


def _groups(paths):
    return duplicates.near_duplicate_groups({path.name: path for path in paths})


def _saved(image, **options):
    file = io.BytesIO()
    image.save(file, **({"format": "JPEG"} | options))
    return file.getvalue()


CHANGES = {
    "copied": None,
    "saved again": lambda image: _saved(image, quality=60),
    "as PNG": lambda image: _saved(image, format="PNG"),
    "enlarged": lambda image: _saved(image.resize((200, 200))),
    "shrunk": lambda image: _saved(image.resize((100, 100))),
    "darker": lambda image: _saved(image.point(lambda level: level * 0.8)),
    "gray": lambda image: _saved(image.convert("L")),
    "in 16 bits": lambda image: _saved(
        PIL.Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257), format="PNG"
    ),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    return [_write(folder, f"{index:02d}.jpg", encode_face(index)) for index in range(DRAWN)]


def test_different_faces_are_groups_of_their_own(drawn):
    assert _groups(drawn) == {path.name: path.name for path in drawn}
    hashes = [duplicates.difference_hash(path) for path in drawn]
    nearest = min((one != other).sum() for one, other in itertools.combinations(hashes, 2))
    assert nearest > 2 * duplicates.MAX_DISTANCE


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_copy_is_in_the_group_of_its_picture(drawn, tmp_path, change):
    copies = []
    for path in drawn[:8]:
        encoded = change(PIL.Image.open(path)) if change else path.read_bytes()
        copies.append(_write(tmp_path, f"copy_{path.name}", encoded))
    groups = _groups([*copies, *drawn])
    assert groups == {path.name: path.name for path in drawn} | {path.name: path.name[5:] for path in copies}


def test_a_mirrored_picture_is_another(drawn, tmp_path):
    mirrored = _saved(PIL.Image.open(drawn[0]).transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT))
    path = _write(tmp_path, "mirrored.jpg", mirrored)
    assert _groups([path, drawn[0]]) == {path.name: path.name, drawn[0].name: drawn[0].name}


def test_a_picture_on_its_side_is_a_copy_of_the_upright_one(drawn, tmp_path):
    image = PIL.Image.open(drawn[0])
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    lying = image.transpose(PIL.Image.Transpose.ROTATE_90)
    turned = _write(tmp_path, "turned.jpg", _saved(lying, exif=exif))
    not_said = _write(tmp_path, "not_said.jpg", _saved(lying))
    groups = _groups([turned, not_said, drawn[0]])
    assert groups == {"turned.jpg": drawn[0].name, drawn[0].name: drawn[0].name, "not_said.jpg": "not_said.jpg"}


def test_a_photo_with_a_tag_that_cannot_be_written_again_is_hashed_too(drawn, tmp_path):
    image = PIL.Image.open(drawn[0])
    exif = image.getexif()
    exif[0x0112] = 6
    exif[0x011A] = (72, 1)  # a resolution
    odd = _saved(image.transpose(PIL.Image.Transpose.ROTATE_90), exif=exif)
    at = odd.index(struct.pack("<HH" if b"II*" in odd else ">HH", 0x011A, 5)) + 3
    path = _write(tmp_path, "odd.jpg", odd[:at] + bytes([2]) + odd[at + 1 :])
    assert _groups([path, drawn[0]]) == dict.fromkeys(["odd.jpg", drawn[0].name], drawn[0].name)


def test_files_of_one_name_are_told_apart(drawn, tmp_path):
    (tmp_path / "other").mkdir()
    one, other = _write(tmp_path, "a.jpg", encode_face(1)), _write(tmp_path / "other", "a.jpg", encode_face(2))
    named = {"a.jpg": one, "other/a.jpg": other, "z.jpg": drawn[2]}
    assert duplicates.near_duplicate_groups(named) == {"a.jpg": "a.jpg"} | dict.fromkeys(
        ("other/a.jpg", "z.jpg"), "other/a.jpg"
    )


def test_the_group_is_the_least_name_in_whatever_order(tmp_path):
    paths = [_write(tmp_path, name, encode_face(0)) for name in ("b.jpg", "c.jpg", "a.jpg")]
    for order in itertools.permutations(paths):
        assert set(_groups(order).values()) == {"a.jpg"}


def test_groups_go_over_a_chain(tmp_path):
    # a is near b and b near c, but a is not near c
    hashes = np.zeros((3, 256), bool)
    hashes[0, :30], hashes[1, :45], hashes[2, :60] = True, True, True
    paths = [_write(tmp_path, name, b"") for name in ("a", "b", "c")]
    with mock.patch.object(duplicates, "difference_hash", side_effect=list(hashes)):
        assert set(_groups(paths).values()) == {"a"}
    with mock.patch.object(duplicates, "difference_hash", side_effect=list(hashes[[0, 2]])):
        assert _groups([paths[0], paths[2]]) == {"a": "a", "c": "c"}


def test_what_has_no_hash_is_a_group_of_its_own(tmp_path, monkeypatch):
    # tfds.as_dataframe turns this on for the whole process; then a cut picture has the hash of what is left of it
    monkeypatch.setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    encoded = {
        "blank": _saved(PIL.Image.new("RGB", (64, 64), "white")),
        "blank too": _saved(PIL.Image.new("RGB", (64, 64), "red")),
        "empty": b"",
        "random": np.random.default_rng(0).bytes(500),
        "cut": encode_face(0)[:1500],
        "cut too": encode_face(1)[:1500],
        "face": encode_face(0),
    }
    paths = [_write(tmp_path, name, data) for name, data in encoded.items()]
    paths.append(tmp_path / "missing")
    assert _groups(paths) == {path.name: path.name for path in paths}
    hashed = {path.name for path in paths if duplicates.difference_hash(path).any()}
    assert hashed == {"face"}


def test_no_pictures_no_groups():
    assert _groups([]) == {}
    assert duplicates.close_pairs(np.zeros((0, 256), bool)).shape == (0, 2)


def test_a_hash_says_where_it_gets_brighter_to_the_right(tmp_path):
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    for pixels, expected in ((ramp, True), (ramp[:, ::-1], False)):
        path = _write(tmp_path, "ramp.png", _saved(PIL.Image.fromarray(np.ascontiguousarray(pixels)), format="PNG"))
        assert duplicates.difference_hash(path).shape == (256,)
        assert (duplicates.difference_hash(path) == expected).all()
    assert draw_face(0).any()


@pytest.mark.parametrize("distance", [0, 10, 24])
def test_close_pairs_are_those_of_counting(distance):
    rng = np.random.default_rng(distance)
    hashes = rng.random((1100, 256)) < 0.5
    close, too_far = {(0, 1), (3, 600), (511, 512), (521, 1099)}, {(5, 6), (7, 601), (510, 513), (522, 1098)}
    for row, other in close | too_far:
        hashes[other] = hashes[row]
        hashes[other, rng.permutation(256)[: distance + ((row, other) in too_far)]] ^= True
    counted = {
        (row, row + 1 + after)
        for row in range(len(hashes))
        for after in np.flatnonzero((hashes[row + 1 :] != hashes[row]).sum(axis=1) <= distance)
    }
    found = [tuple(pair) for pair in duplicates.close_pairs(hashes, distance)]
    assert counted == close
    assert sorted(found) == sorted(close)


def test_what_is_equal_in_every_band_is_each_pair_once():
    hashes = np.zeros((duplicates._BLOCK + 10, 256), bool)  # more than one block of the matrix product
    hashes[7] = True
    pairs = duplicates.close_pairs(hashes, max_distance=2)
    alike = len(hashes) - 1
    assert len(pairs) == alike * (alike - 1) // 2 == len(np.unique(pairs, axis=0))
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert 7 not in pairs


def test_hundreds_of_copies_are_one_group_and_compared_once(drawn):
    pictures = {f"{number:05d}.jpg": drawn[number % 2] for number in range(500)}
    with mock.patch.object(duplicates, "close_pairs", wraps=duplicates.close_pairs) as compared:
        groups = duplicates.near_duplicate_groups(pictures)
    assert groups == {name: f"0000{number % 2}.jpg" for number, name in enumerate(pictures)}
    (hashes,) = compared.call_args.args
    assert hashes.shape == (2, 256)


@pytest.fixture(scope="module")
def listed(utkface_folder):
    """Returns 100 groups of near duplicates from the list, all members of which are there."""
    members: dict[str, list] = {}
    with (utkface_folder / "near_duplicates.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            members.setdefault(row["group"], []).append(utkface_folder / "UTKFace" / row["filename"])
    there = [paths for paths in members.values() if all(path.is_file() for path in paths)]
    return random.Random(0).sample(there, 100)


def _found(listed):
    groups = _groups([path for paths in listed for path in paths])
    return [paths for paths in listed if len({groups[path.name] for path in paths}) == 1]


def test_every_listed_group_of_utkface_is_found(listed):
    assert _found(listed) == listed


def test_a_search_for_exact_copies_only_would_miss_some(listed):
    with mock.patch.object(duplicates, "close_pairs", functools.partial(duplicates.close_pairs, max_distance=0)):
        assert len(_found(listed)) < len(listed)


def test_groups_that_share_a_name_are_one():
    memberships = [("0", "d"), ("0", "b"), ("1", "b"), ("1", "c"), ("2", "a"), ("b", "e"), ("b", "f")]
    assert duplicates.joined_groups(memberships) == {"d": "b", "b": "b", "c": "b", "a": "a", "e": "e", "f": "e"}
    assert duplicates.joined_groups([]) == {}
