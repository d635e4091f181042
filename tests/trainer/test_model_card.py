"""The model card says what was measured, on what, and what the model is not for."""

import huggingface_hub
import pandas as pd
import pytest

from gender_tfds import run_folder, saved_run
from trainer.model_card import make_model_card
from trainer.slices import COLUMNS


def test_the_model_card_has_front_matter_and_the_measured_accuracy(trained_run):
    card = (trained_run / run_folder.MODEL_CARD).read_text()
    numbers = pd.read_json(trained_run / run_folder.METRICS, typ="series")
    data = huggingface_hub.ModelCard(card).data.to_dict()
    assert data["library_name"] == "keras"
    assert data["datasets"] == ["drawn_faces"]
    results = {metric["type"]: metric["value"] for metric in data["model-index"][0]["results"][0]["metrics"]}
    assert results["accuracy"] == round(numbers["accuracy"], 4)
    assert results["roc_auc"] == round(numbers["roc_auc"], 4)
    assert f"**{numbers['accuracy']:.4f}**" in card
    for said in ("perceived gender, binary, by annotation", "Refused: decisions about a person", numbers["note"]):
        assert said in card
    worst = numbers["worst_slice"]
    assert not worst or f"{worst['by']} {worst['slice']}, error rate {worst['error_rate']:.4f}" in card


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("utkface", "non-commercial research only"),
        ("fairface", "CC BY 4.0"),
        ("face_folder", "a user's own"),
        ("mine", "Mind the licence"),
    ],
)
def test_the_licence_of_the_data_is_said(trained_run, dataset, said):
    record = saved_run.load_record(trained_run)
    record["settings"]["dataset"] = dataset
    numbers = pd.read_json(trained_run / run_folder.METRICS, typ="series").to_dict()
    assert said in make_model_card(record, numbers, pd.DataFrame(columns=COLUMNS))


def test_the_licence_of_what_training_started_from_is_said_too(trained_run):
    record = saved_run.load_record(trained_run)
    numbers = pd.read_json(trained_run / run_folder.METRICS, typ="series").to_dict()
    empty = pd.DataFrame(columns=COLUMNS)
    assert "started from" not in make_model_card(record, numbers, empty)
    record["settings"]["init_from"] = "older.keras"
    assert "started from older.keras, whose data's licence holds too" in make_model_card(record, numbers, empty)
    record["settings"] |= {"init_from": None, "pretrained": "imagenet"}
    assert "ImageNet, whose pictures may be used for non-commercial" in make_model_card(record, numbers, empty)
    record["settings"]["pretrained"] = "base.keras"
    assert "started from base.keras, whose data's licence" in make_model_card(record, numbers, empty)
