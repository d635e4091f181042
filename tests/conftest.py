"""What many tests need: a small built data set and a small finished run, made once a worker."""

import gc
import logging
import os
import pathlib
import shutil
from unittest import mock

import pytest

from gender_tfds.keras_backend import prepare_backend
from gender_tfds.terminal import PACKAGES

# as a command does before it imports TensorFlow
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
prepare_backend()

SHARED_DATA = pathlib.Path(__file__).parents[2] / "shared" / "data"
FACES = 300


def pytest_collection_finish() -> None:
    """Keeps what was imported from the garbage collector, which Keras and TFLite's converter start again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _logs_as_they_were():
    """Takes back what a command that a test ran in this process did to the log: it writes to that test's stderr."""
    yield
    for package in PACKAGES:
        logger = logging.getLogger(package)
        logger.handlers[:] = []
        logger.propagate = True


@pytest.fixture(scope="session")
def utkface_folder() -> pathlib.Path:
    """The real UTKFace pictures; skips where they are not."""
    folder = SHARED_DATA / "utkface"
    if not folder.is_dir():
        pytest.skip(f"needs UTKFace's pictures in {folder}")
    return folder


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> pathlib.Path:
    """A data_dir in which `drawn_faces` is built with 300 faces."""
    import tensorflow_datasets as tfds

    from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder

    folder = tmp_path_factory.mktemp("data_dir")
    with mock.patch.object(Builder, "NUM_FACES", FACES):
        tfds.builder("drawn_faces", data_dir=folder).download_and_prepare()
    return folder


@pytest.fixture(scope="session")
def trained_run(data_dir, tmp_path_factory) -> pathlib.Path:
    """The run folder of two short epochs on `drawn_faces`, with its pictures; read it, don't write to it."""
    from tests.trainer.pictures import drawn
    from trainer.config import TrainConfig
    from trainer.train import train_and_evaluate

    workdir = tmp_path_factory.mktemp("runs") / "run"
    config = TrainConfig(image_size=32, batch_size=32, epochs=2)
    with drawn():
        train_and_evaluate(config, str(data_dir), workdir)
    return workdir


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium; skips where none is installed (on Debian: `apt-get install chromium chromium-driver`)."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs the programs chromium and chromedriver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield started
    started.quit()
