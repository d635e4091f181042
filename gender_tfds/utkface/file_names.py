"""UTKFace's labels stand in the file names: `age_gender_race_stamp.jpg.chip.jpg`. Pure Python."""

import dataclasses
import re

from gender_tfds.faces import RejectedError

# Kept tolerant where nothing is in doubt: a stamp of 16 or 18 digits, a space or no dot before `jpg`.
_NAME = re.compile(
    r"(?P<age>\d{1,3})_(?P<gender>[01])_(?P<race>[0-4])_\d+ ?\.?jpg(\.chip)?\.jpg", re.ASCII | re.IGNORECASE
)
# Three names hold two numbers where three belong, and public corrections disagree about what they mean.
_FIELD_MISSING = re.compile(r"\d{1,3}_\d_\d{10,}.*\.jpg", re.ASCII | re.IGNORECASE)
_MAX_AGE = 116  # the oldest in the data set's own description

NOT_A_FACE_NAME, FIELD_MISSING, AGE_OUT_OF_RANGE = "not_a_face_name", "field_missing", "age_out_of_range"


class BadNameError(RejectedError):
    """A file name that is no UTKFace label; its argument is the reason, one of the constants above."""


@dataclasses.dataclass(frozen=True)
class Labels:
    """What a file name says: age in years, class number of the gender, class number of the ethnicity."""

    age: int
    gender: int
    ethnicity: int


def parse(name: str) -> Labels:
    """Returns the labels in a file name.

    >>> parse("25_0_2_20170104021740373.jpg.chip.jpg")
    Labels(age=25, gender=0, ethnicity=2)

    Raises:
      BadNameError: the name does not hold all three labels.
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise BadNameError(FIELD_MISSING if _FIELD_MISSING.fullmatch(name) else NOT_A_FACE_NAME)
    labels = Labels(int(match["age"]), int(match["gender"]), int(match["race"]))
    if labels.age > _MAX_AGE:
        raise BadNameError(AGE_OUT_OF_RANGE)
    return labels
