"""Two runs on the same faces: paired rightly, tested rightly, and told in words."""

import json
import shutil
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from gender_tfds import run_folder
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder
from gender_tfds.user_error import UserError
from tests.trainer.pictures import read_picture
from trainer import compare
from trainer.evaluations import evaluation_folder
from trainer.judging_commands import COMPARE


def _table(right, age=30):
    """Faces labelled female, of which some are predicted so."""
    paths = [f"{number:03}.jpg" for number in range(len(right))]
    score = np.where(right, 0.9, 0.2)
    return pd.DataFrame({"path": paths, "label": 1, "p_female": score, "age": age, "ethnicity": -1})


def _paired(only_first, only_second, both=50):
    first = [True] * (only_first + both) + [False] * only_second
    second = [False] * only_first + [True] * (both + only_second)
    return compare.pair(_table(first), _table(second).sample(frac=1, random_state=0))


def test_faces_are_paired_by_name_whatever_their_order():
    paired = _paired(3, 8)
    assert (paired["first_right"] & ~paired["second_right"]).sum() == 3
    numbers = compare.compare(paired)
    assert (numbers["n"], numbers["only_first"], numbers["only_second"]) == (61, 3, 8)
    assert numbers["first"] == 53 / 61
    assert numbers["second"] == 58 / 61
    assert numbers["difference"] == pytest.approx(5 / 61)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 5), (3, 8), (30, 62)])
def test_the_p_value_is_mcnemars_exact_one(only_first, only_second):
    numbers = compare.compare(_paired(only_first, only_second))
    n = only_first + only_second
    tail = sum(scipy.stats.binom.pmf(range(min(only_first, only_second) + 1), n, 0.5))
    assert numbers["p_value"] == pytest.approx(min(1, 2 * tail))


def test_the_interval_is_as_wide_as_the_paired_standard_error_says():
    paired = _paired(60, 120, both=800)
    low, high = compare.compare(paired)["interval"]
    gains = paired["second_right"].astype(float) - paired["first_right"]
    assert high - low == pytest.approx(2 * 1.96 * gains.std() / np.sqrt(len(gains)), rel=0.1)
    assert low < gains.mean() < high


def test_runs_that_agree_have_no_difference():
    numbers = compare.compare(_paired(0, 0))
    assert (numbers["difference"], numbers["interval"], numbers["p_value"]) == (0, [0, 0], 1)
    assert compare.verdict(numbers).startswith("No difference is shown")


def test_the_verdict_names_the_better_one_only_where_the_test_does():
    assert compare.verdict(compare.compare(_paired(2, 20))).startswith("The second is better, by 25.00 points")
    assert compare.verdict(compare.compare(_paired(20, 2))).startswith("The first is better")
    assert compare.verdict(compare.compare(_paired(3, 6))).startswith("No difference is shown: only the first has 3")


def test_other_faces_or_other_labels_are_one_sentence():
    table = _table([True] * 5)
    with pytest.raises(UserError, match="other faces: 5 and 4, of which 4 are the same"):
        compare.pair(table, table[:4])
    with pytest.raises(UserError, match="2 faces have another label"):
        compare.pair(table, table.assign(label=[0, 0, 1, 1, 1]))


def test_slices_and_changed_faces():
    first = pd.concat([_table([True] * 40, age=20), _table([True] * 40, age=50).assign(path=lambda t: "x" + t["path"])])
    second = first.assign(p_female=[0.9] * 40 + [0.4] * 10 + [0.1] + [0.9] * 29)
    paired = compare.pair(first, second)
    slices = compare.compare_slices(paired)
    assert list(slices["slice"]) == ["45-59", "18-29"]
    assert list(slices["difference"]) == pytest.approx([-11 / 40, 0])
    changed = compare.changed_faces(paired)
    assert len(changed) == 11
    assert changed["path"][0] == "x010.jpg"  # from 0.9 to 0.1
    assert not changed["second_right"].any()


def test_the_slices_are_told_and_what_to_think_where_there_are_none():
    def told(**columns):
        first, second = (_table(right).assign(**columns) for right in ([True] * 50, [False] * 5 + [True] * 45))
        paired = compare.pair(first, second)
        slices, changed = compare.compare_slices(paired), compare.changed_faces(paired)
        return compare.describe(compare.Comparison(compare.compare(paired), slices, changed, "some")).splitlines()

    assert told()[-3] == "Slices of 30 faces or more, the largest loss first:"
    assert "30-44" in told()[-1]
    assert told(age=-1)[-2:] == ["", "No slice has 30 faces: too few have a known age or ethnicity."]


@pytest.fixture
def two_runs(own_run, tmp_path):
    """A run, and a copy of it that has every fourth face wrong that it had right."""
    other = shutil.copytree(own_run, tmp_path / "other")
    table = pd.read_csv(other / run_folder.PREDICTIONS)
    table.loc[::4, "p_female"] = 1 - table.loc[::4, "label"]
    table.to_csv(other / run_folder.PREDICTIONS, index=False)
    return own_run, other


@pytest.mark.usefixtures("drawn")
def test_the_command_prints_the_verdict_and_writes_tables_and_pictures(two_runs, tmp_path, capsys):
    own, other = two_runs
    assert COMPARE.run([str(own), str(other), f"--output_dir={tmp_path / 'out'}"]) == 0
    printed = capsys.readouterr().out
    numbers = json.loads((tmp_path / "out" / run_folder.METRICS).read_text())
    assert f"{numbers['first']:.4f} and {numbers['second']:.4f}" in printed
    assert compare.verdict(numbers) in printed
    changed = pd.read_csv(tmp_path / "out" / compare.CHANGED)
    assert len(changed) == numbers["only_first"] + numbers["only_second"]
    for name in (compare.GAINED, compare.LOST):
        read_picture(tmp_path / "out" / name)


def test_a_run_or_a_judgement_is_no_place_for_a_comparison(two_runs, capsys):
    own, other = two_runs
    judgement = evaluation_folder(other, "drawn_faces", "drawn_faces", "validation")
    judgement.mkdir(parents=True)
    shutil.copy(other / run_folder.PREDICTIONS, judgement)
    before = {path: path.read_bytes() for path in other.rglob("*") if path.is_file()}
    for runs, folder in (([own, other], other), ([own, other], judgement), ([own], other)):
        assert COMPARE.run([*map(str, runs), f"--output_dir={folder}"]) == 2
        assert f"--output_dir={folder} holds a run or a judgement; give another" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in other.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("known", [True, False])
def test_faces_of_another_build_are_not_drawn(two_runs, tmp_path, capsys, monkeypatch, known):
    own, other = two_runs
    with mock.patch.object(Builder, "NUM_FACES", 60):
        Builder(data_dir=tmp_path / "data").download_and_prepare()
    if not known:  # as with a data set that is not the run's own
        monkeypatch.setattr(compare, "is_of_run", lambda record, builder: True)
    out = tmp_path / "out"
    assert COMPARE.run([str(own), str(other), f"--data_dir={tmp_path / 'data'}", f"--output_dir={out}"]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"'drawn_faces' in {tmp_path / 'data'} is another build than the one judged: {out} has the tables" in last
    assert (out / compare.CHANGED).is_file()
    assert not (out / compare.LOST).exists()


def test_damaged_predictions_are_one_sentence(two_runs, capsys):
    own, other = two_runs
    (other / run_folder.PREDICTIONS).write_bytes(b"\x89PNG")
    assert COMPARE.run([str(own), str(other)]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"{other / run_folder.PREDICTIONS} is damaged, or no table of predictions" in last
    assert last.endswith(f"make it with gender-evaluate --workdir={other} --dataset=drawn_faces --split=test")


def test_mistakes_are_one_sentence_each(two_runs, capsys):
    own, other = two_runs
    assert COMPARE.run([str(own), str(other), str(own)]) == 2
    assert "3 run folders are given" in capsys.readouterr().err
    assert COMPARE.run([str(own), str(other), "--split=validation"]) == 2
    assert f"make it with gender-evaluate --workdir={own}" in capsys.readouterr().err
    assert COMPARE.run([str(own), str(own.parent)]) == 2
    assert "is not a run folder" in capsys.readouterr().err
