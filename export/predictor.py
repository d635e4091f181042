"""Run any artefact: encoded pictures in, probabilities of female out. TensorFlow is imported only where it runs."""

import hashlib
import json
import os
import pathlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from export.associated_files import read_metadata
from export.metadata import METADATA, check_metadata, check_shapes, make_metadata, not_ours
from export.onnx_predictor import OnnxPredictor
from export.packaged import MODEL_KINDS
from gender_tfds import faces, run_folder
from gender_tfds.images_cv import decode_and_resize
from gender_tfds.terminal import without_native_noise
from gender_tfds.threads import available_processors
from gender_tfds.user_error import UserError

EXTRA = "assets.extra"  # where SavedModel puts what the graph does not read


class Predictor(Protocol):
    """What every artefact looks like to a scorer.

    Attributes:
      metadata: the facts that travel with it; see `metadata.check_metadata`.
      image_size: height and width of the model's input in pixels.
      note: what must be said beside its answers.
    """

    metadata: dict[str, Any]
    image_size: int
    note: str

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Returns p(female), float32 (n,) in [0, 1].

        Args:
          images: uint8 RGB (n, image_size, image_size, 3); n may be any number from 1.

        Raises:
          UserError: the model's file can be loaded, but not run.
        """


class TFLitePredictor:
    """A `.tflite` file, run by LiteRT. Needs neither TensorFlow nor Keras."""

    def __init__(self, path: pathlib.Path, threads: int | None = None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._path = path
        try:
            content = path.read_bytes()
            self.metadata = check_metadata(read_metadata(content))
            # by content: LiteRT opens no path that is not UTF-8
            self._interpreter = Interpreter(model_content=content, num_threads=threads or available_processors())
            with without_native_noise():
                self._interpreter.allocate_tensors()
            self._input = self._interpreter.get_input_details()[0]
            output = self._interpreter.get_output_details()[0]
            self._output = output["index"]
            self.image_size, self.note = int(self.metadata["image_size"]), str(self.metadata["note"])
        except Exception as error:  # a foreign archive's metadata may be anything
            raise not_ours(path, error) from error
        check_shapes(path, self.metadata, self._input["shape"][1:].tolist(), output["shape"][1:].tolist())
        self._batch: int | None = None

    def predict(self, images: np.ndarray) -> np.ndarray:
        try:
            if self._batch != len(images):
                self._interpreter.resize_tensor_input(self._input["index"], images.shape)
                self._interpreter.allocate_tensors()
                self._batch = len(images)
            self._interpreter.set_tensor(self._input["index"], images.astype(self._input["dtype"], copy=False))
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:  # a stranger's file may load and not run
            raise not_ours(self._path, error) from error
        return self._interpreter.get_tensor(self._output)[:, 0].astype(np.float32)


class KerasPredictor:
    """A run folder's `.keras` file."""

    def __init__(self, path: pathlib.Path) -> None:
        from gender_tfds.saved_run import is_run, load_classifier, load_record

        self._model = load_classifier(path)
        self._lock = threading.Lock()  # Keras compiles its function while it is first called
        self.image_size = self._model.input_shape[1]
        # beside a run's record it is the run's; alone it says nothing of its data
        self.metadata = (
            make_metadata(self.image_size, load_record(path.parent))
            if is_run(path.parent)
            else check_metadata(
                {
                    "labels": list(faces.GENDERS),
                    "image_size": self.image_size,
                    "threshold": run_folder.THRESHOLD,
                    "note": faces.LABEL_NOTE,
                }
            )
        )
        self.note = self.metadata["note"]

    def predict(self, images: np.ndarray) -> np.ndarray:
        with self._lock:
            return np.asarray(self._model.predict_on_batch(images), np.float32)[:, 0]


class SavedModelPredictor:
    """A SavedModel's folder, or the folder of its versions, of which the highest is taken."""

    def __init__(self, path: pathlib.Path) -> None:
        versions = [folder for folder in path.iterdir() if folder.name.isdigit()]
        folder = max(versions, key=lambda folder: int(folder.name)) if versions else path
        if not (folder / "saved_model.pb").is_file():
            raise UserError(f"--model={path} is a folder without a SavedModel; give the one that gender-export wrote")
        with without_native_noise():
            import tensorflow as tf

        try:
            self._model = tf.saved_model.load(str(folder))
            self._pixels = self._model.signatures["serving_pixels"]
            self._encoded = self._model.signatures["serving_default"]
            self.metadata = check_metadata(json.loads((folder / EXTRA / METADATA).read_text()))
            self.note = str(self.metadata["note"])
            self.image_size = int(self.metadata["image_size"])
            taken = self._pixels.structured_input_signature[1]["images"].shape[1:].as_list()
            given = self._pixels.structured_outputs["p_female"].shape.as_list()
        except Exception as error:  # TensorFlow raises whatever damaged variables or a foreign model lead to
            raise not_ours(path, error) from error
        check_shapes(path, self.metadata, taken, [1, *given[1:]])

    def predict(self, images: np.ndarray) -> np.ndarray:
        return self._pixels(images=images)["p_female"].numpy()

    def predict_encoded(self, encoded: Sequence[bytes]) -> np.ndarray:
        """Returns p(female), float32 (n,), decoding the files in the graph, as a server of the model does."""
        return self._encoded(image_bytes=np.array(encoded, object))["p_female"].numpy()


# suffix of the path -> what runs it; a folder has none
LOADERS: dict[str, Callable[..., Predictor]] = {
    ".keras": KerasPredictor,
    ".tflite": TFLitePredictor,
    ".onnx": OnnxPredictor,
    "": SavedModelPredictor,
}


def loader_of(path: str | os.PathLike) -> Callable[..., Predictor]:
    """Returns what loads an artefact, by its suffix; loads nothing.

    Raises:
      UserError: no such file or folder, or no artefact of a known kind.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise UserError(f"--model={path} does not exist; give {MODEL_KINDS}")
    suffix = "" if path.is_dir() else path.suffix or "no suffix"
    if suffix not in LOADERS:
        raise UserError(f"--model={path} is of no known kind; give {MODEL_KINDS}")
    return LOADERS[suffix]


def load_predictor(path: str | os.PathLike) -> Predictor:
    """Returns what runs an artefact.

    Raises:
      UserError: no such file or folder, no artefact of a known kind, or a damaged one.
    """
    return loader_of(path)(pathlib.Path(path))


def predictor_of_thread(path: str | os.PathLike) -> Callable[[], Predictor]:
    """Returns what gives each thread a predictor to call beside the others. Arguments and errors: `load_predictor`.

    A TFLite interpreter belongs to one thread: each gets its own, which works in that thread alone. TensorFlow and ONNX
    Runtime take calls from several threads at once: theirs is one for all.
    """
    first = load_predictor(path)
    if not isinstance(first, TFLitePredictor):
        return lambda: first
    own, lock = threading.local(), threading.Lock()
    own.predictor = first  # the calling thread's

    def of_thread() -> Predictor:
        if not hasattr(own, "predictor"):
            with lock:  # the terminal's noise can be held back by one thread at a time
                own.predictor = TFLitePredictor(pathlib.Path(path), threads=1)
        return own.predictor

    return of_thread


def artefact_files(path: str | os.PathLike) -> list[pathlib.Path]:
    """Returns the files of an artefact: itself, or those in its folder, sorted; none where it does not exist."""
    path = pathlib.Path(path)
    return [file for file in (sorted(path.rglob("*")) if path.is_dir() else [path]) if file.is_file()]


def artefact_bytes(path: str | os.PathLike) -> int:
    """Returns the size of an artefact, a file or a folder."""
    return sum(file.stat().st_size for file in artefact_files(path))


def identify(path: str | os.PathLike) -> str:
    """Returns an artefact's name and the beginning of the SHA-256 of its content."""
    path = pathlib.Path(path)
    digest = hashlib.sha256()
    for file in artefact_files(path):
        digest.update(file.read_bytes())
    return f"{path.name} (SHA-256 {digest.hexdigest()[:12]})"


def decode_all(encoded: Sequence[bytes], image_size: int) -> tuple[np.ndarray, list[str | None]]:
    """Decodes pictures, all of them: one that can't be decoded leaves an error in its place.

    Args:
      encoded: the bytes of each file.
      image_size: of the model.

    Returns:
      The decodable pictures in order, uint8 (≤ n, image_size, image_size, 3), and for each of the n files None or why
      it is not among them.
    """

    def decode(data: bytes) -> np.ndarray | str:
        try:
            return decode_and_resize(data, image_size)
        except ValueError as error:
            return str(error)

    results = [decode(data) for data in encoded]
    images = [result for result in results if not isinstance(result, str)]
    errors = [result if isinstance(result, str) else None for result in results]
    return np.stack(images) if images else np.zeros((0, image_size, image_size, 3), np.uint8), errors
