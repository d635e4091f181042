"""The model card says what was measured, on what, and what the model is not for."""

import huggingface_hub
import pandas as pd

from gender_tfds import run_folder


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
