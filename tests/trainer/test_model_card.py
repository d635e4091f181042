"""The model card says what was measured, on what, and what the model is not for."""

import json

import huggingface_hub
import pandas as pd

from gender_tfds import run_folder
from gender_tfds.saved_run import load_record
from trainer.model_card import make_model_card


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


def test_the_limits_tell_what_was_measured_on_infants_and_nothing_where_there_are_none(trained_run):
    none = pd.read_csv(trained_run / run_folder.SLICES)  # drawn faces have no age
    row = dict.fromkeys(none.columns, 0.31) | {"by": "age", "slice": "0-3", "n": 100, "ranked": True}
    numbers = json.loads((trained_run / run_folder.METRICS).read_text())
    record = load_record(trained_run)
    assert "Of children up to 3 years 69% were judged rightly." in make_model_card(record, numbers, pd.DataFrame([row]))
    assert "children" not in make_model_card(record, numbers, none)
