"""The weights that a base of `keras.applications` starts from: random, ImageNet's, or those of a file."""

import logging
import os
import pathlib
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator

import keras

from gender_tfds.saved_run import load_model
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig

log = logging.getLogger(__name__)

_HOST = "https://storage.googleapis.com/tensorflow/keras-applications/"
_PATIENCE = 20  # seconds until a network that swallows every packet counts as none


def make_base(make: Callable[..., keras.Model], cached: str, config: TrainConfig) -> keras.Model:
    """Returns a network of `keras.applications` without its top, with the weights that `config.pretrained` says.

    Args:
      make: its constructor.
      cached: a pattern of the file names under which Keras keeps its ImageNet weights.
      config: for `model`, `image_size` and `pretrained`.

    Raises:
      UserError: the weights can't be had, or are another network's.
    """
    options = {"include_top": False, "input_shape": (config.image_size, config.image_size, 3)}
    if config.pretrained == "none":
        return make(weights=None, **options)
    if config.pretrained == "imagenet":
        base = _from_imagenet(make, cached, config.model, options)
    else:
        base = make(weights=None, **options)
        _load(base, pathlib.Path(config.pretrained), config.model)
    number = len(list(_with_weights(base.layers)))
    log.info("The base %s starts from %s: %d layers with weights.", config.model, config.pretrained, number)
    return base


def _from_imagenet(make: Callable[..., keras.Model], cached: str, model: str, options: dict) -> keras.Model:
    folder = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"
    try:
        if not any(folder.glob(cached)):
            _ask_network()
        return make(weights="imagenet", **options)
    except Exception as error:  # Keras raises a plain Exception when a download fails
        constructor = getattr(make, "func", make).__name__
        raise UserError(
            f"--pretrained=imagenet must be downloaded once, and that failed ({_reason(error)}); where there is a"
            f' network run python -c "import keras; keras.applications.{constructor}(include_top=False).save'
            f"('{model}.keras')\" and give --pretrained={model}.keras"
        ) from error


def _ask_network() -> None:
    """Raises OSError within `_PATIENCE` seconds if the weights' host does not answer."""
    answers: queue.Queue[OSError | None] = queue.Queue()

    def ask() -> None:
        try:
            urllib.request.urlopen(_HOST, timeout=_PATIENCE).close()
        except urllib.error.HTTPError:
            answers.put(None)  # any answer is one
        except OSError as error:
            answers.put(error)
        else:
            answers.put(None)

    # sockets time out for each address anew, and looking up the name has no limit at all
    threading.Thread(target=ask, daemon=True).start()
    try:
        error = answers.get(timeout=_PATIENCE)
    except queue.Empty:
        error = TimeoutError(f"no answer within {_PATIENCE} s")
    if error:
        raise error


def _load(base: keras.Model, path: pathlib.Path, model: str) -> None:
    wanted = f"give a .keras file of a run with --model={model}, or a file of keras.applications' network without top"
    if path.suffix != ".keras":
        try:
            base.load_weights(path)
        except Exception as error:  # Keras raises whatever a damaged or foreign file leads to
            raise UserError(
                f"--pretrained={path} is damaged, or of another network than {model} ({_reason(error)}); {wanted}"
            ) from error
        return
    ours = list(_with_weights(base.layers))
    theirs = list(_with_weights(load_model(path).layers))
    # around the base the file has a preprocessing and a head of its own
    starts = [start for start in range(len(theirs)) if _same(theirs[start : start + len(ours)], ours)]
    if not starts:
        raise UserError(f"--pretrained={path} holds another network than {model}; {wanted}")
    for mine, other in zip(ours, theirs[starts[0] :], strict=False):
        mine.set_weights(other.get_weights())


def _with_weights(those: Iterable[keras.Layer]) -> Iterator[keras.Layer]:
    """Yields the layers with weights, those in models within too, in the order of the computation."""
    for layer in those:
        if isinstance(layer, keras.Model):
            yield from _with_weights(layer.layers)
        elif layer.weights:
            yield layer


def _same(theirs: list[keras.Layer], ours: list[keras.Layer]) -> bool:
    return [_shape(layer) for layer in theirs] == [_shape(layer) for layer in ours]


def _shape(layer: keras.Layer) -> tuple:
    return (type(layer).__name__, *(tuple(weight.shape) for weight in layer.weights))


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
