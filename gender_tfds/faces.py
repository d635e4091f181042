"""What a face record is: its labels, its fold and its split. Pure Python, importable anywhere."""

import hashlib

# The label is the gender an annotator perceived, as a binary choice; the index is the class number everywhere.
GENDERS = ("male", "female")
ETHNICITIES = ("white", "black", "asian", "indian", "others")
UNKNOWN = -1  # an age or ethnicity that the source does not give

NUM_FOLDS = 10
SPLIT_FOLDS = {"train": range(3, 10), "validation": range(2, 3), "test": range(2)}

# Where a chip of UTKFace shows right eye, left eye, nose, right and left corner of the mouth, as x and y in parts of
# its side: medians over 1,457 chips, as YuNet measures them on crops made by them. `python benchmarks/detector.py`
CROP_TEMPLATE = ((0.2998, 0.2811), (0.6839, 0.2853), (0.4788, 0.5135), (0.319, 0.6696), (0.6479, 0.6755))
LABEL_NOTE = "The label is a perceived, binary gender given by an annotator. It says nothing about a person's identity."

# Where a chip of UTKFace shows right eye, left eye, nose and mouth, as x and y in parts of its side: medians over 1,437
# chips, as BlazeFace measures them on crops that are made by them. `python benchmarks/web_page.py`
BLAZEFACE_TEMPLATE = ((0.2892, 0.2913), (0.689, 0.298), (0.4862, 0.5382), (0.4847, 0.7155))
# by detector, as artefacts carry them: lists, as JSON has them
CROP_TEMPLATES = {
    detector: [list(point) for point in template]
    for detector, template in (("yunet", CROP_TEMPLATE), ("blazeface", BLAZEFACE_TEMPLATE))
}


class RejectedError(ValueError):
    """A file, or a row of a table, that a data set leaves out; its argument is the reason under which it is counted."""


def fold(group: str) -> int:
    """Returns the fold, 0 to 9, of a group of near-duplicate pictures.

    The fold depends on the group's name only, so that a picture stays in its fold on every machine and in every
    subset of the data, and no two copies of one picture are in different splits.

    >>> fold("25_0_2_20170104021740373.jpg.chip.jpg") == fold("25_0_2_20170104021740373.jpg.chip.jpg")
    True
    """
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") % NUM_FOLDS


def split_of(group: str) -> str:
    """Returns the split, a key of `SPLIT_FOLDS`, that a group of near-duplicate pictures belongs to."""
    number = fold(group)
    return next(split for split, folds in SPLIT_FOLDS.items() if number in folds)
