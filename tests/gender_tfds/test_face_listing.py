"""face_listing: a face's example, the listing by split and in the order of records, counts, and memory that is flat."""

import dataclasses
import hashlib
import tracemalloc
from unittest import mock

import pytest

from gender_tfds import face_listing, faces
from gender_tfds.face_listing import Face, FaceListing, FileNames
from gender_tfds.features import face_features
from gender_tfds.split_writer import record_order

FACES = [Face(f"{number}.jpg", b"", number % 2, f"{number}.jpg") for number in range(50)]


def test_a_face_is_an_example_of_the_schema():
    face = Face("a.jpg", b"encoded", 1, "group of a", 33, 4)
    assert face.example() == {
        "filename": "a.jpg",
        "image": b"encoded",
        "label": 1,
        "group": "group of a",
        "age": 33,
        "ethnicity": 4,
        "fold": faces.fold("group of a"),
    }
    assert set(face.example()) == set(face_features())


def test_what_is_not_given_is_unknown():
    example = FACES[0].example()
    assert (example["age"], example["ethnicity"]) == (-1, -1)


def _splits(found):
    listing = FaceListing(found)
    return {split: list(listing.of_split(split)) for split in listing.splits()}


def test_a_group_is_in_one_split():
    grouped = [dataclasses.replace(face, group="one") for face in FACES]
    assert list(_splits(grouped)) == [faces.split_of("one")]
    assert len(_splits(FACES)) == 3  # without the group they are in all of them


def test_each_face_is_in_the_split_of_its_group_once_in_the_order_of_the_records():
    splits = _splits(FACES)
    assert list(splits) == list(faces.SPLIT_FOLDS)
    for split, members in splits.items():
        of_split = [face for face in FACES if faces.split_of(face.group) == split]
        key = record_order(split)
        assert members == sorted(of_split, key=lambda face: key(face.filename))
    assert splits["train"] != sorted(splits["train"], key=lambda face: face.filename)


def test_no_faces_no_splits():
    assert _splits([]) == {}


def test_under_a_limit_are_the_faces_that_were_listed_first():
    listing, of_train = FaceListing(FACES), [face for face in FACES if faces.split_of(face.group) == "train"]
    first = list(listing.of_split("train", 5))
    assert {face.filename for face in first} == {face.filename for face in of_train[:5]}
    assert first == [face for face in listing.of_split("train") if face in of_train[:5]]
    # the planted failure: the first in the order of the records are others
    assert first != list(listing.of_split("train"))[:5]


@pytest.mark.parametrize("image", [b"\xff\0", "/faces", "/not UTF-8 \udce9"])
def test_a_listed_face_is_what_it_was(image):
    face = Face("ü\0.jpg", image, 1, "a\nb", 116, 4)
    assert _splits([face]) == {faces.split_of("a\nb"): [face]}


def test_counts_are_returned_and_logged():
    with mock.patch.object(face_listing.logging, "info") as info:
        counts = face_listing.describe(FaceListing(FACES[:3]), {"too_old": 2, "blank": 1})
    assert counts == {"faces": 3, "labels": {"female": 1, "male": 2}, "skipped": {"blank": 1, "too_old": 2}}
    assert (info.call_args.args[0] % info.call_args.args[1:]) == (
        "Found 3 faces (1 female, 2 male); skipped: 1 blank, 2 too_old."
    )


def test_nothing_skipped_is_said_too():
    with mock.patch.object(face_listing.logging, "info") as info:
        assert face_listing.describe(FaceListing(FACES), {})["skipped"] == {}
    assert info.call_args.args[-1] == "none"


@pytest.mark.parametrize(("groups", "several"), [("abc", 0), ("aab", 1), ("aabbb", 2), ("", 0)])
def test_groups_of_several_faces_are_counted(groups, several):
    found = [Face(f"{number}.jpg", b"", 0, group) for number, group in enumerate(groups)]
    assert FaceListing(found).near_duplicate_groups() == several


# in Python's order the character that stands for the byte \xe9 comes between the last two
@pytest.mark.parametrize("names", [[], ["a"], ["a", "b c", "a/ü", "\udce9", "\ud7ff", "\uf000"]])
def test_names_are_sorted_and_hashed_in_any_order(names):
    digest = hashlib.sha256("\n".join(sorted(names)).encode("utf-8", "surrogateescape")).hexdigest()
    for given in (names, names[::-1]):
        held = FileNames(given)
        assert (list(held), len(held), held.sha256()) == (sorted(names), len(names), digest)
    assert FileNames([*names, "c"]).sha256() != digest


def _peak(work):
    """Returns the memory, in bytes, that Python's objects took at most during some work."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_names_and_faces_take_no_memory():
    def names():
        return (f"{number:040}.jpg" for number in range(5_000))

    def found():
        return (Face(name, "/faces", 0, name) for name in names())

    listing = FaceListing(found())
    read = {"names": iter(FileNames(names())), "faces": listing.of_split("train")}
    assert _peak(lambda: FileNames(names())) < 100_000
    assert _peak(lambda: FaceListing(found())) < 100_000
    assert _peak(lambda: sum(1 for _ in read["names"])) < 100_000
    assert _peak(lambda: sum(1 for _ in read["faces"])) < 100_000
    # the planted failure: in lists they do
    assert _peak(lambda: list(names())) > 400_000
    assert _peak(lambda: list(found())) > 800_000
