"""The licence of everything that a model learnt from is said."""

import pytest

from gender_tfds.licences import licences
from gender_tfds.packaged_models import MODELS


def _record(dataset="drawn_faces", **settings):
    return {"settings": {"dataset": dataset, "init_from": None, "pretrained": "none"} | settings}


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("utkface", "non-commercial research only"),
        ("fairface", "CC BY 4.0"),
        ("face_folder", "a user's own"),
        ("utkface:1.0.0", "non-commercial research only"),
        ("mine", "Mind the licence of mine"),
    ],
)
def test_that_of_the_data_is_said(dataset, said):
    assert said in licences(_record(dataset))
    assert said not in licences(_record())
    assert said in licences(_record(), dataset)  # judged on it
    assert licences(_record(dataset), dataset).count(said) == 1


def test_that_of_what_training_started_from_is_said_too():
    assert "started from" not in licences(_record())
    assert "started from older.keras, whose data's licence holds too" in licences(_record(init_from="older.keras"))
    assert "from runs/older.keras, whose" in licences(_record(init_from="/home/me/runs/older.keras"))
    assert "ImageNet, whose pictures may be used for non-comm" in licences(_record(pretrained="imagenet"))
    assert "started from base.keras, whose data's licence" in licences(_record(pretrained="base.keras"))
    older = _record()
    del older["settings"]["pretrained"]  # a run of a version before transfer learning
    assert "started from" not in licences(older)


@pytest.mark.parametrize(
    "settings", [{"init_from": "device"}, {"teacher": ("accurate",)}, {"init_from": str(MODELS["device"])}]
)
def test_whoever_learns_from_a_packaged_model_is_bound_as_it_is(settings):
    said = licences(_record("face_folder", **settings))
    assert "non-commercial research only" in said
    assert "CC BY 4.0" in said
    assert "holds too" not in said  # what it is is said
    assert "non-commercial" not in licences(_record("face_folder", teacher=("other.keras",)))
