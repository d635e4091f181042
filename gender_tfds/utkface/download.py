"""Prints the folder of UTKFace's faces, downloading them if need be: `python -m gender_tfds.utkface.download`."""

import sys

from gender_tfds.command_line import Command
from gender_tfds.utkface import source


def main() -> None:
    """Prints the folder, for scripts: `make run` scores it."""
    print(source.pictures(source.download())[0])


if __name__ == "__main__":
    sys.exit(
        Command(
            name="python -m gender_tfds.utkface.download",
            summary="download UTKFace with kagglehub, unless it is in its cache, and print the folder of faces",
            example="python -m gender_tfds.utkface.download",
            settings=(),
            main=main,
        ).run()
    )
