"""A finished run that a test may write to; short trainings that take little longer than their few steps."""

import contextlib
import pathlib
import shutil
from collections.abc import Iterator

import pytest
import tensorflow as tf

from tests.trainer import pictures
from trainer.models import MODELS

# those that take longest to build, each beside a lighter one of its kind or made as they are
HEAVY = {"convnext_tiny", "efficientnetv2b0", "inceptionv3", "mobilenetv3_large", "resnet50v2", "vgg19"}
every_model = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in HEAVY)) for name in sorted(MODELS)]
)


@pytest.fixture(scope="package", autouse=True)
def _blank_pictures():
    with pictures.blank():
        yield


@contextlib.contextmanager
def step_by_step() -> Iterator[None]:
    """Runs steps without tracing them into a graph first, which takes longer than to run one a dozen times."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture
def untraced():
    """Runs a test's training step by step."""
    with step_by_step():
        yield


@pytest.fixture
def drawn():
    """Draws a test's pictures."""
    with pictures.drawn():
        yield


@pytest.fixture
def own_run(trained_run, tmp_path) -> pathlib.Path:
    """A copy of `trained_run` for this test alone: judging a run writes into its folder."""
    return pathlib.Path(shutil.copytree(trained_run, tmp_path / "own_run"))
