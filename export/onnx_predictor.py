"""Run an `.onnx` file by ONNX Runtime, which the extra `onnx` brings. Needs neither TensorFlow nor Keras."""

import json
import pathlib

import numpy as np

from export.metadata import METADATA, check_metadata, check_shapes, not_ours
from gender_tfds.terminal import without_native_noise
from gender_tfds.user_error import UserError


class OnnxPredictor:
    """An `.onnx` file of gender-export. May be called from several threads at once: each works for itself.

    Args:
      path: of the file.
      threads: that one call is divided among; 1 is the calling thread alone.

    Raises:
      UserError: ONNX Runtime is not installed, or the file is damaged or none of gender-export's.
    """

    def __init__(self, path: pathlib.Path, threads: int = 1) -> None:
        self._path = path
        try:
            with without_native_noise():  # it tells a machine without a GPU that it looked for one
                import onnxruntime
        except ImportError as error:
            raise UserError(
                f'--model={path} needs ONNX Runtime; install it with pip install "gender-classifier[onnx]"'
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # what is wrong is raised too
        try:
            # read here: the runtime would decode a path as UTF-8, which a file's name need not be
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(),
                options,
                providers=["CPUExecutionProvider"],
                enable_fallback=0,  # it tries the same once more, and says so on stdout
            )
            (given,), (answer,) = self._session.get_inputs(), self._session.get_outputs()
            self._input, self._output = given.name, answer.name
            self.metadata = check_metadata(
                json.loads(self._session.get_modelmeta().custom_metadata_map.get(METADATA, "{}"))
            )
            self.image_size, self.note = int(self.metadata["image_size"]), str(self.metadata["note"])
        except Exception as error:  # the runtime raises whatever a damaged or foreign model leads to
            raise not_ours(path, error) from error
        check_shapes(path, self.metadata, given.shape[1:], answer.shape[1:])

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Returns p(female), float32 (n,), of uint8 RGB pictures (n, image_size, image_size, 3).

        Raises:
          UserError: the model can't be run.
        """
        try:
            return self._session.run([self._output], {self._input: images.astype(np.float32)})[0][:, 0]
        except Exception as error:  # a file that loads may still hold indices out of bounds, and the like
            raise not_ours(self._path, error) from error
