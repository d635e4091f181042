"""Draws a folder of faces to score, none of which is in the data set: `python -m gender_tfds.drawn_faces.draw`."""

import dataclasses
import pathlib
import sys
from collections import Counter

from gender_tfds.atomic_files import atomic_path
from gender_tfds.command_line import Command
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.drawn_faces.traits import NOTE, file_name
from gender_tfds.field_flags import setting
from gender_tfds.folder_lock import locked
from gender_tfds.user_error import UserError

FIRST_UNSEEN = 1_000_000  # the data set's faces have lower numbers


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to draw, and where."""

    output_dir: str = setting(dataclasses.MISSING, "folder for the pictures; other files in it are left alone")
    count: int = setting(100, "number of pictures", lower=1, upper=1_000_000)


def draw_folder(folder: pathlib.Path, count: int) -> Counter:
    """Writes `count` faces that the data set doesn't hold to a folder that is there, each file whole or not at all.

    Returns:
      How many pictures were `new`, `replaced` (another file had the name) and `kept` (the file was there already).

    Raises:
      UserError: the folder can't be written to.
    """
    done = Counter(new=0, replaced=0, kept=0)
    try:
        for index in range(FIRST_UNSEEN, FIRST_UNSEEN + count):
            path, encoded = folder / file_name(index), encode_face(index)
            there = path.exists()
            if there and path.read_bytes() == encoded:
                done["kept"] += 1
                continue
            with atomic_path(path) as partial:
                partial.write_bytes(encoded)
            done["replaced" if there else "new"] += 1
    except OSError as error:
        raise UserError(
            f"--output_dir={folder} can't be written to ({error.strerror}); give a folder of your own"
        ) from error
    return done


def main(settings: Settings) -> None:
    """Draws the folder and says what was done."""
    folder = pathlib.Path(settings.output_dir)
    with locked(folder, "--output_dir"):
        done = draw_folder(folder, settings.count)
    counts = ", ".join(f"{number} {what}" for what, number in done.items())
    print(f"{settings.output_dir} holds {settings.count} drawn faces ({counts}). {NOTE}")


COMMAND = Command(
    name="python -m gender_tfds.drawn_faces.draw",
    summary="draw a folder of faces to score, none of which is in the data set drawn_faces",
    example="python -m gender_tfds.drawn_faces.draw --output_dir=runs/pictures --count=50",
    settings=(Settings,),
    main=main,
)

if __name__ == "__main__":
    sys.exit(COMMAND.run())
