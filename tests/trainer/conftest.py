"""A finished run that a test may write to; pictures small enough to be drawn fast."""

import pathlib
import shutil
from unittest import mock

import pytest

from trainer import plots


@pytest.fixture(scope="session", autouse=True)
def _small_pictures():
    """Draws pictures in few pixels: at full size they would take most of a short run's time."""
    with mock.patch.object(plots, "DPI", 40):
        yield


@pytest.fixture
def own_run(trained_run, tmp_path) -> pathlib.Path:
    """A copy of `trained_run` for this test alone: judging a run writes into its folder."""
    return pathlib.Path(shutil.copytree(trained_run, tmp_path / "own_run"))
