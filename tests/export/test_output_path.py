"""output_path: what can't become an output is told before the work."""

import pytest

from export.output_path import checked_output
from gender_tfds.user_error import UserError


def test_its_folder_is_made(tmp_path):
    path = tmp_path / "new" / "plot.png"
    assert checked_output("plot", str(path), ".png") == path
    assert path.parent.is_dir()
    assert not path.exists()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("plot.jpg", "--plot=plot.jpg does not end in .png"),
        ("/dev/null/plot.png", r"--plot=/dev/null/plot.png can't be written \("),
        ("FOLDER.png", "can't be written; give another path"),
    ],
)
def test_what_can_be_no_output_is_told(tmp_path, value, told):
    (tmp_path / "FOLDER.png").mkdir()
    with pytest.raises(UserError, match=told):
        checked_output("plot", value.replace("FOLDER", str(tmp_path / "FOLDER")), ".png")
