"""Assemble the page in `web/` and what it needs of others into a folder that any static server can serve."""

import importlib.metadata
import importlib.resources
import json
import os
import pathlib
import shutil
from typing import Any

from export.listing import SUFFIXES
from export.predictor import TFLitePredictor, identify
from export.score_config import FACE_COLUMNS
from gender_tfds import images_cv, run_folder
from gender_tfds.atomic_files import atomic_path
from gender_tfds.pixel_limit import MAX_PIXELS
from gender_tfds.user_error import UserError

SOURCES = importlib.resources.files("export").joinpath("web")
MODEL, DETECTOR, CONFIG = "model.tflite", "blazeface.tflite", "config.json"
# file below node_modules -> file of the page. Of the runtime's four builds a browser loads one: the second where it
# lacks relaxed SIMD. The other two need what a plain static server does not send, or what not every browser has.
_WASM = ("litert_wasm_internal.js", "litert_wasm_internal.wasm")
_COMPATIBLE_WASM = ("litert_wasm_compat_internal.js", "litert_wasm_compat_internal.wasm")
OF_OTHERS = {
    "@litertjs/core/dist/index.js": "litert/core.js",
    "@litertjs/wasm-utils/dist/index.js": "litert/wasm_utils.js",
    **{f"@litertjs/core/wasm/{name}": f"litert/wasm/{name}" for name in (*_WASM, *_COMPATIBLE_WASM)},
    "@mediapipe/face_detection/face_detection_full_range.tflite": DETECTOR,
}
THIRD_PARTY = "THIRD_PARTY.txt"
_PAGE = {MODEL, CONFIG, THIRD_PARTY, "index.html"}  # what tells a page from other folders
_OURS = (".html", ".js", ".css", ".svg")
_SERVERS_OWN = "docs.html"  # gender-serve's


def assemble(node_modules: str | os.PathLike, model: str | os.PathLike, output_dir: str | os.PathLike) -> None:
    """Writes the page as a folder of plain files: HTML, JavaScript, WebAssembly, the model, and whose the parts are.

    Args:
      node_modules: the folder that `npm ci` made of `web/package-lock.json`.
      model: a `.tflite` file of gender-export.
      output_dir: becomes the page; one that is there is replaced.

    Raises:
      UserError: a package is missing, the model is no `.tflite` file of gender-export, `output_dir` holds something
        else than a page, or can't be written.
    """
    node_modules, model, output_dir = (pathlib.Path(path) for path in (node_modules, model, output_dir))
    missing = [name for name in OF_OTHERS if not (node_modules / name).is_file()]
    if missing:
        raise UserError(
            f"--node_modules={node_modules} lacks {missing[0]}; give the folder that `npm ci` makes beside"
            f" {SOURCES / 'package-lock.json'}, or let `make web` do all of it"
        )
    if model.suffix != ".tflite" or not model.is_file():
        raise UserError(f"--model={model} is not a .tflite file; give one that gender-export wrote")
    TFLitePredictor(model)  # fails here, with one sentence, and not in a browser
    if output_dir.is_file():
        raise UserError(f"--output_dir={output_dir} is a file; give a folder")
    there = {path.name for path in output_dir.iterdir()} if output_dir.is_dir() else set()
    if there and not there >= _PAGE:  # a run folder too has a config.json
        raise UserError(f"--output_dir={output_dir} holds something else than a page; give another folder")
    try:
        with atomic_path(output_dir) as partial:
            partial.mkdir()
            _copy(node_modules, partial)
            shutil.copyfile(model, partial / MODEL)
            (partial / CONFIG).write_text(json.dumps(make_config(model), indent=2) + "\n", encoding="utf-8")
            (partial / THIRD_PARTY).write_text(_third_party(node_modules), encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output_dir={output_dir} can't be written ({error.strerror}); give another") from error


def make_config(model: pathlib.Path) -> dict[str, Any]:
    """Returns what the page is told of this program, so that nothing stands in two places."""
    return {
        "model": MODEL,
        "model_name": identify(model),
        "detector": DETECTOR,
        "crop_template": TFLitePredictor(model).metadata["crop_templates"]["blazeface"],
        "nudge": float(images_cv.NUDGE),
        "max_pixels": MAX_PIXELS,
        "suffixes": sorted(SUFFIXES),
        "undecided": run_folder.UNDECIDED,
        "columns": list(run_folder.COLUMNS),
        "face_columns": list(FACE_COLUMNS),  # after those, where faces were looked for
        "fractions": [name for name, kind in (run_folder.COLUMNS | FACE_COLUMNS).items() if kind is float],
    }


def _copy(node_modules: pathlib.Path, folder: pathlib.Path) -> None:
    for source in SOURCES.iterdir():
        if source.name.endswith(_OURS) and source.name != _SERVERS_OWN:
            (folder / source.name).write_bytes(source.read_bytes())
    for name, target in OF_OTHERS.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(node_modules / name, folder / target)  # without npm's modes: a server may be another user


def _third_party(node_modules: pathlib.Path) -> str:
    """Returns a text that names every file of others with its package, version and licence."""
    text = "Files of others, unchanged; the Apache License 2.0 stands below.\n"
    for name, target in OF_OTHERS.items():
        package = "/".join(name.split("/")[:2])
        facts = json.loads((node_modules / package / "package.json").read_text(encoding="utf-8"))
        text += f"\n{target}\n  {name}, version {facts['version']}, licence {facts['license']}\n"
    return f"{text}\n{_apache_licence()}"


def _apache_licence() -> str:
    """Returns the licence's text: npm's packages lack it, and the same project's Python package has it."""
    runtime = importlib.metadata.distribution("ai-edge-litert")
    (licence,) = (file for file in runtime.files or () if file.name == "LICENSE")
    return licence.read_text(encoding="utf-8")
