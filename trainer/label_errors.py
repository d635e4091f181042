"""Which labels are likely wrong, by predictions of models that have not seen those faces.

Confident learning: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", 2021.
"""

import numpy as np
import pandas as pd
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

from gender_tfds.user_error import UserError


def find_label_errors(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the faces whose label is likely wrong, the likeliest first.

    Args:
      table: columns `path`, `label` (0 male, 1 female) and `p_female`, predicted by a model that has not seen the face.

    Returns:
      Their rows, and a column `quality`: the probability of the given label, in [0, 1].
    """
    label, score = table["label"].to_numpy(), table["p_female"].to_numpy()
    probabilities = np.stack([1 - score, score], axis=1)
    found = find_label_issues(label, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    quality = get_label_quality_scores(label, probabilities, method="self_confidence")
    return table.iloc[found].assign(quality=quality[found]).reset_index(drop=True)


def match_predictions(predictions: pd.DataFrame, faces: pd.DataFrame, name: str) -> pd.DataFrame:
    """Returns the out-of-fold predictions of a data set's faces.

    Args:
      predictions: content of the `predictions.csv` of `gender-cross-validate`.
      faces: the data set's, columns `path` and `label`.
      name: of the data set.

    Raises:
      UserError: the predictions are not out-of-fold, or of other faces or labels.
    """
    if "part" not in predictions:
        raise UserError(
            "--predictions is not of gender-cross-validate: it has no column `part`. A model that has learnt a wrong"
            " label predicts it; give predictions of faces that the model has not seen"
        )
    if "dataset" in predictions:
        predictions = predictions[predictions["dataset"] == name]
    labels = predictions["path"].map(faces.drop_duplicates("path").set_index("path")["label"])
    different = int((labels != predictions["label"]).sum())
    if different or len(predictions) != len(faces):
        raise UserError(
            f"--predictions is of other data: {len(predictions):,} faces of {name} where the data set has"
            f" {len(faces):,}, and {different:,} that it does not have or labels otherwise"
        )
    return predictions
