"""The trained models that come with the package, by name. How they were made and what they give: `models/README.md`."""

import pathlib

FOLDER = pathlib.Path(__file__).parent / "models"
DEFAULT = "device"
# name for --model -> file; `make model` makes them anew
MODELS = {
    DEFAULT: FOLDER / "gender_device_int8.tflite",
    "device_float32": FOLDER / "gender_device_float32.tflite",
    "accurate": FOLDER / "gender_accurate_int8.tflite",
}
# what a model may be, in words
MODEL_KINDS = f"a packaged model ({', '.join(MODELS)}), a .tflite, .onnx or .keras file, or the folder of a SavedModel"


def model_path(name: str) -> pathlib.Path:
    """Returns the file of a packaged model, or `name` as a path if no model is called so."""
    return MODELS.get(name, pathlib.Path(name))
