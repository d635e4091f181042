"""The contract between the trainer and everything after it: file names of a run folder, columns of every table."""

import dataclasses
import math
import typing

from gender_tfds.faces import GENDERS

MODEL = "cnn_gender_classifier.keras"
CONFIG = "config.json"
HISTORY = "history.csv"
METRICS = "metrics.json"
SLICES = "slices.csv"
PREDICTIONS = "predictions.csv"
LABELS = "labels.txt"
REPORT = "report.html"
MODEL_CARD = "README.md"
MODEL_PLOT = "model_plot.png"
ACCURACY_PLOT = "accuracy_plot.png"
LOSS_PLOT = "loss_plot.png"
CONFUSION_MATRIX = "confusion_matrix.png"
SAMPLE_PREDICTIONS = "sample_predictions.png"
CLASSIFICATION_REPORT = "classification_report.txt"
CALIBRATION = "calibration.json"
RELIABILITY_PLOT = "reliability_plot.png"
COVERAGE_PLOT = "coverage_plot.png"
SLICES_PLOT = "slices_plot.png"
CONFIDENT_ERRORS = "confident_errors.png"
UNCERTAIN_FACES = "uncertain_faces.png"
EXPLANATIONS = "explanations.png"
TRAIN_BATCH = "train_batch.png"
CHECKPOINT = "checkpoint.npz"
TENSORBOARD = "tensorboard"
EVALUATIONS = "evaluations"  # one folder for each further data set and split that the run was judged on

THRESHOLD = 0.5
UNDECIDED = "undecided"


@dataclasses.dataclass(frozen=True)
class Prediction:
    """One row of every table of predictions: the columns of a scorer's CSV, in order.

    Attributes:
      path: the picture's path, relative to the scored directory; a test face's file name.
      gender: the predicted name, one of `GENDERS`, or `UNDECIDED`; None if the picture could not be read.
      confidence: probability of the predicted gender, in [0.5, 1] at the threshold 0.5.
      p_female: probability of female, in [0, 1].
      error: why there is no prediction, in one line; None if there is one.
    """

    path: str
    gender: str | None = None
    confidence: float | None = None
    p_female: float | None = None
    error: str | None = None

    @classmethod
    def from_probability(
        cls, path: str, p_female: float, min_confidence: float = 0.0, threshold: float = THRESHOLD
    ) -> "Prediction":
        """Makes the row of a picture that was scored.

        Female is predicted when `p_female > threshold`, and nothing below a confidence of `min_confidence`. What is no
        probability is an error; its sentence does not hold the number, since errors are counted by their sentences.
        """
        if not 0 <= p_female <= 1:  # nor NaN
            given = "no number" if math.isnan(p_female) else "a number outside [0, 1]"
            return cls(path, error=f"the model gives {given} for this picture")
        female = p_female > threshold
        confidence = p_female if female else 1 - p_female
        gender = GENDERS[female] if confidence >= min_confidence else UNDECIDED
        return cls(path, gender, round(confidence, 6), round(p_female, 6))


# column -> what it holds where it holds something
COLUMNS: dict[str, type] = {
    name: next(iter(typing.get_args(kind)), kind) for name, kind in typing.get_type_hints(Prediction).items()
}
