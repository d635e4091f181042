"""No face that a model has seen judges what comes from it."""

import dataclasses
import json

import pytest

from gender_tfds import run_folder
from gender_tfds.packaged_models import MODELS
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig
from trainer.lineage import check_unseen, seen_by_run

ALL = list(range(10))


@pytest.fixture
def run(tmp_path):
    """Makes what a finished run leaves, as far as its lineage goes; returns its model."""

    def make(name, **settings):
        config = TrainConfig(**settings)
        check_unseen(config)
        folder = tmp_path / name
        folder.mkdir()
        record = {"settings": config.to_json(), "data": {}, "seen": seen_by_run(config)}
        (folder / run_folder.CONFIG).write_text(json.dumps(record))
        (folder / run_folder.MODEL).touch()
        return str(folder / run_folder.MODEL)

    return make


@pytest.fixture(params=["init_from", "pretrained", "teacher"])
def taking(request):
    """Makes the settings of a run that takes something from a model."""

    def make(*models, **settings):
        value = models if request.param == "teacher" else models[0]
        return TrainConfig(**{request.param: value}, **settings)

    return make


def test_an_heir_is_judged_on_unseen_faces_alone(run, taking):
    first = run("first", test_folds=("2", "3"), validation_folds=("4",))
    check_unseen(taking(first, test_folds=("3",)))
    check_unseen(taking(first, dataset="utkface"))  # other faces
    with pytest.raises(
        UserError, match=r"has seen faces of drawn_faces on which --test_folds=0,1 would judge.*=2,3, or"
    ):
        check_unseen(taking(first))
    with pytest.raises(UserError, match="--test_folds=3,4 would judge"):  # the folds by which its epoch was chosen
        check_unseen(taking(first, test_folds=("3", "4")))


def test_what_an_ancestor_saw_counts_though_it_is_gone(run, taking, tmp_path):
    first = run("first")
    second = run("second", init_from=first, dataset="fairface:1.0.0")
    (tmp_path / "first").rename(tmp_path / "elsewhere")
    assert seen_by_run(taking(second, dataset="utkface")) == dict.fromkeys(
        ["utkface", "fairface", "drawn_faces"], ALL[2:]
    )
    check_unseen(taking(second))
    for dataset in ("drawn_faces", "utkface,drawn_faces", "fairface"):
        with pytest.raises(UserError, match="judge on --test_folds=0,1, or start from another"):
            check_unseen(taking(second, dataset=dataset, test_folds=("5",)))


@pytest.mark.parametrize("dataset", ["utkface", "fairface"])
def test_what_a_packaged_model_saw_counts_through_a_run(run, taking, dataset):
    mine = run("mine", init_from="device", dataset="face_folder")
    for model in ("device", str(MODELS["device"]), mine):
        check_unseen(taking(model, dataset=dataset))
        with pytest.raises(UserError, match=f"has seen faces of {dataset}"):
            check_unseen(taking(model, dataset=dataset, test_folds=("1", "2")))


def test_where_every_face_was_seen_only_another_model_helps(run, taking):
    halves = (run("even", test_folds=("0", "2")), run("odd", test_folds=("1", "3"), validation_folds=("0",)))
    both = run("both", teacher=halves, dataset="fairface")
    assert seen_by_run(taking(both))["drawn_faces"] == ALL
    with pytest.raises(UserError, match="came from: give another model"):
        check_unseen(taking(both))


def test_a_run_of_an_older_version_tells_its_own_settings(run, taking, tmp_path):
    path = tmp_path / "old" / run_folder.CONFIG
    model = run("old", test_folds=("4",))
    record = json.loads(path.read_text())
    del record["seen"]
    path.write_text(json.dumps(record))
    check_unseen(taking(model, test_folds=("4",)))
    with pytest.raises(UserError, match="--test_folds=4, or"):
        check_unseen(taking(model))
    del record["settings"]["test_folds"]
    path.write_text(json.dumps(record))
    check_unseen(taking(model))
    with pytest.raises(UserError, match="--test_folds=0,1, or"):
        check_unseen(taking(model, test_folds=("4",)))


def test_of_a_file_without_a_record_nothing_is_known(taking, tmp_path):
    (tmp_path / "some.keras").touch()
    config = taking(str(tmp_path / "some.keras"))
    check_unseen(dataclasses.replace(config, test_folds=("7",)))
    assert seen_by_run(config) == {"drawn_faces": ALL[2:]}
