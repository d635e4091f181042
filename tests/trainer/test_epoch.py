"""What an epoch shows, counted together; and what a process can't do its part with."""

import dataclasses

import numpy as np
import pytest

from gender_tfds import reading
from gender_tfds.user_error import UserError
from tests.conftest import FACES
from trainer import processes
from trainer.config import TrainConfig
from trainer.division import ALONE, Workers
from trainer.epoch import check_shown, count_epoch


@pytest.fixture(scope="module")
def builders(data_dir):
    return [reading.open_built("drawn_faces", str(data_dir))]


def test_one_process_counts_all(builders):
    epoch = count_epoch(builders, TrainConfig(), ALONE)
    assert epoch.counts == epoch.shown == epoch.shown_by_all
    assert epoch.train.faces == (epoch.faces,)
    sizes = {split: builders[0].info.splits[split].num_examples for split in builders[0].info.splits}
    assert (epoch.faces, epoch.validation.faces) == (sizes["train"], (sizes["validation"],))
    assert sum(sizes.values()) == FACES


def test_processes_have_parts_of_all_faces_and_know_of_each_other(builders, monkeypatch):
    whole = count_epoch(builders, TrainConfig(balance="undersample"), ALONE)
    parts = []
    for process in range(2):
        both = []

        def gather(numbers, process=process, both=both):
            # what the other process would count
            split = "train" if not both else "validation"
            both.append(split)
            folds = TrainConfig().folds(split)
            other = processes_count(builders, folds, (1 - process, 2))
            return np.array([numbers, other] if process == 0 else [other, numbers])

        monkeypatch.setattr(processes, "gather", gather)
        parts.append(count_epoch(builders, TrainConfig(balance="undersample"), Workers(2, 2, process)))
    assert parts[0].train.faces == parts[1].train.faces
    assert parts[0].shown_by_all == parts[1].shown_by_all
    assert parts[0].counts != parts[1].counts
    for gender, number in whole.counts[0].items():
        assert sum(part.counts[0][gender] for part in parts) == number
    assert sum(parts[0].validation.faces) == sum(whole.validation.faces)


def processes_count(builders, folds, share):
    from gender_tfds.faces import GENDERS
    from trainer.input_pipeline import count_faces

    return np.array([[of_set[gender] for gender in GENDERS] for of_set in count_faces(builders, folds, share)])


def test_a_process_without_faces_of_a_class_is_one_sentence_for_all(builders, monkeypatch):
    monkeypatch.setattr(processes, "gather", lambda numbers: np.array([numbers, numbers * [[1, 0]]]))
    with pytest.raises(UserError, match="too few faces for 2 processes"):
        count_epoch(builders, TrainConfig(), Workers(2, 2, 0))


@pytest.mark.parametrize(
    ("weights", "shown"),
    [
        (("1", "1e-9"), "0 male, 0 female of two"),
        (("1e-9", "1e-9"), "0 male, 0 female of one; 0 male, 0 female of two"),
    ],
)
def test_weights_that_leave_nothing_of_a_data_set_are_one_sentence(builders, weights, shown):
    config = TrainConfig(dataset="one,two", dataset_weights=weights)
    with pytest.raises(UserError, match=f"--dataset_weights={','.join(weights)} with .* would show .*{shown}"):
        count_epoch([*builders, *builders], config, ALONE)


def test_weights_that_leave_nothing_of_a_class_are_one_sentence():
    counts = [{"male": 900, "female": 1}, {"male": 10, "female": 1}]
    config = TrainConfig(dataset="one,two", dataset_weights=("0.4", "0.4"))
    with pytest.raises(UserError, match="360 male, 0 female of one; 4 male, 0 female of two in an epoch"):
        check_shown(config, counts)
    check_shown(dataclasses.replace(config, dataset_weights=("0.4", "1")), counts)


def test_one_class_is_nothing_to_learn_from(builders, monkeypatch):
    monkeypatch.setattr(processes, "gather", lambda numbers: np.array([numbers * [[1, 0]]]))
    with pytest.raises(UserError, match="all of one class"):
        count_epoch(builders, TrainConfig(), ALONE)
