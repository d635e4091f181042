"""What decides the rows."""

import pytest

from export import commands
from export.score_config import ScoreConfig
from gender_tfds.user_error import UserError


def test_columns_are_added_in_the_order_given():
    assert list(ScoreConfig().table_columns()) == ["path", "gender", "confidence", "p_female", "error"]
    config = ScoreConfig(columns=("sha256", "width")).checked()
    assert list(config.table_columns())[-2:] == ["sha256", "width"]


@pytest.mark.parametrize("columns", [("colour",), ("width", "width")])
def test_a_column_that_is_none_is_told(columns):
    with pytest.raises(UserError, match="give some of width, height, sha256, each once"):
        ScoreConfig(columns=columns).checked()


def test_flags_are_those_that_differ_from_the_defaults():
    assert ScoreConfig().flags() == []
    config = ScoreConfig(tta=True, columns=("width", "height"), threshold=0.4)
    assert config.flags() == ["--threshold=0.4", "--tta=True", "--columns=width,height"]


def test_scaled_decoding_and_a_detector_exclude_each_other():
    assert ScoreConfig(scaled_decoding=True).checked().scaled_decoding
    with pytest.raises(UserError, match="--detector=yunet chooses by itself how large"):
        ScoreConfig(scaled_decoding=True, detector="yunet").checked()


@pytest.mark.parametrize("pixels", [2**30 + 1, 10**23])
def test_more_pixels_than_opencv_takes_are_told(pixels, capsys):
    assert commands.score(["folder", f"--max_pixels={pixels}"]) == 2
    assert "--max_pixels" in capsys.readouterr().err
