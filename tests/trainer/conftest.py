"""A finished run that a test may write to."""

import pathlib
import shutil

import pytest


@pytest.fixture
def own_run(trained_run, tmp_path) -> pathlib.Path:
    """A copy of `trained_run` for this test alone: judging a run writes into its folder."""
    return pathlib.Path(shutil.copytree(trained_run, tmp_path / "own_run"))
