"""The trained Keras models that come with the package, by name: what a training may start from or be taught by.

They have the weights of the artefacts of the same names in `export/models`, whose README.md says how they were made.
"""

import pathlib

FOLDER = pathlib.Path(__file__).parent / "models"
DATA = ("utkface", "fairface")  # what they were trained on
# name for --init_from and --teacher -> file; `make model` makes them anew
MODELS = {name: FOLDER / f"{name}.keras" for name in ("device", "accurate")}
# what such a flag takes, in words
KERAS_KINDS = f"a packaged model ({', '.join(MODELS)}) or a .keras file"


def keras_file(name: str) -> pathlib.Path:
    """Returns the file of a packaged model, or `name` as a path if no model is called so."""
    return MODELS.get(name, pathlib.Path(name))


def is_packaged(name: str) -> bool:
    """Returns whether what a flag says is a packaged model, by its name or its path."""
    return keras_file(name).resolve() in [path.resolve() for path in MODELS.values()]
