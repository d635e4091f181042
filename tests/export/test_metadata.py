"""What an artefact says of itself, and what a scorer takes from it."""

import pytest

from export.metadata import check_metadata
from gender_tfds import faces


def test_what_a_scorer_needs_is_there(facts):
    assert check_metadata(facts) == facts
    # the packaged models of an earlier version have none
    older = {name: value for name, value in facts.items() if name != "crop_templates"}
    assert check_metadata(older)["crop_templates"] == faces.CROP_TEMPLATES
    assert facts["labels"] == list(faces.GENDERS)
    assert "perceived" in facts["output"]
    assert set(facts) >= {"image_size", "threshold", "crop", "data", "data_sha256", "licence", "version"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"labels": ["female", "male"]}, "its labels are"),
        ({"labels": None}, "its labels are None"),
        ({"threshold": 2}, "no probability"),
        ({"note": ...}, "has no note"),
        ({"crop_templates": {"yunet": [[0.3, 0.3]]}}, "its crop template for yunet has not 5 points"),
        ({"image_size": ..., "labels": ...}, "has no image_size, labels"),
    ],
)
def test_other_labels_and_missing_facts_are_refused(facts, change, told):
    changed = {name: value for name, value in {**facts, **change}.items() if value is not ...}
    with pytest.raises(ValueError, match=told):
        check_metadata(changed)


@pytest.mark.parametrize("content", [None, [], "x", 3])
def test_what_is_no_object_is_refused(content):
    with pytest.raises(ValueError, match="its metadata has no"):
        check_metadata(content)
