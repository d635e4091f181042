"""Tables of judged faces: numbers as numbers, names as they are, and whatever is no such table in a sentence."""

import pytest

from gender_tfds.user_error import UserError
from trainer.predictions import read_table

HEADER = "path,gender,p_female,label,group\n"
ROWS = "NA,female,0.10,0,007\n007,,1,1,NA\n"


@pytest.fixture
def path(tmp_path):
    (tmp_path / "predictions.csv").write_text(HEADER + ROWS)
    return tmp_path / "predictions.csv"


def test_numbers_are_numbers_and_names_stay_as_they_are(path):
    table = read_table(path, ["path", "label", "p_female"], "-")
    assert table[["path", "p_female", "label", "group"]].to_numpy().tolist() == [
        ["NA", 0.1, 0, "007"],
        ["007", 1.0, 1, "NA"],
    ]


def test_as_text_a_table_is_written_back_as_it_was(path):
    assert read_table(path, ["label"], "-", text=True).to_csv(index=False) == HEADER + ROWS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "No columns"),
        (b"\x89PNG\r\n\x1a\n\0\0", "codec can't decode"),
        (b'{\n  "n": 3,\n  "intervals": [1, 2, 3]\n}', "Error tokenizing data"),
        (b"epoch,loss\n1,0.5\n", "it has no column path, label, p_female"),
        (f"{HEADER}{ROWS}008,male,0.2".encode(), "column 3"),
        (f"{HEADER}{ROWS}008,male,,0,a\n".encode(), "1 of its rows are not whole"),
        (f"{HEADER}{ROWS}008,male,often,0,a\n".encode(), "often"),
        (f"{HEADER}{ROWS}008,male,0.5,{10**30},a\n".encode(), ""),
    ],
)
def test_what_is_no_table_of_predictions_is_one_sentence(path, content, said):
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"predictions\.csv is damaged, or no table of predictions \(") as error:
        read_table(path, ["path", "label", "p_female"], "make it again")
    assert said in str(error.value)
    assert str(error.value).endswith("; make it again")
    assert "\n" not in str(error.value)


def test_what_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(UserError, match=r"none\.csv is missing; make it again"):
        read_table(tmp_path / "none.csv", ["path"], "make it again")
