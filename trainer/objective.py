"""What training minimises: cross-entropy against blended, smoothed, weighted targets; age and a teacher beside it.

The fitted model's targets are `TARGETS`, one column each, and its outputs `OUTPUTS`; only here do they meet.
"""

from collections.abc import Sequence

import keras
from keras import ops

# targets: the label, 0 or 1, and the age in years, -1 unknown
TARGETS = ("label", "age")
# outputs: probability of female; age in units of AGE_UNIT; the picture's own share after mixup; teacher's probability
OUTPUTS = ("p_female", "age", "share", "teacher")
AGE_UNIT = 25.0  # years; brings ages to the size of a cross-entropy
_TINY = 1e-7


@keras.saving.register_keras_serializable("gender-classifier")
class Objective(keras.losses.Loss):
    """The loss of the fitted model.

    Args:
      smoothing: how far targets are moved from 0 and 1 to the middle.
      class_weights: of male and female.
      age_weight: of the mean absolute error of the age.
      teacher_weight: the part of the target that is the teacher's probability.
    """

    def __init__(
        self,
        smoothing: float = 0.0,
        class_weights: Sequence[float] = (1.0, 1.0),
        age_weight: float = 0.0,
        teacher_weight: float = 0.0,
    ) -> None:
        super().__init__(name="objective")
        self.smoothing = smoothing
        self.class_weights = tuple(class_weights)
        self.age_weight = age_weight
        self.teacher_weight = teacher_weight

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Returns the loss of each picture, (n,), from targets (n, 2) and outputs (n, 4)."""
        label, age = y_true[:, 0], y_true[:, 1]
        score, age_score, share, teacher = (y_pred[:, column] for column in range(len(OUTPUTS)))
        female = share * label + (1 - share) * ops.flip(label, axis=0)
        target = female * (1 - self.smoothing) + self.smoothing / 2
        target = (1 - self.teacher_weight) * target + self.teacher_weight * teacher
        male_weight, female_weight = self.class_weights
        loss = (male_weight + (female_weight - male_weight) * female) * _cross_entropy(target, score)
        if self.age_weight:
            other = ops.flip(age, axis=0)
            known = ops.cast(ops.logical_and(age >= 0, other >= 0), "float32")
            years = share * age + (1 - share) * other
            loss = loss + self.age_weight * known * ops.abs(years / AGE_UNIT - age_score)
        return loss


class FaceMean(keras.metrics.MeanMetricWrapper):
    """The mean of a function of faces over those of positive weight, each counted once; see `trainer.division`."""

    def update_state(
        self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor, sample_weight: keras.KerasTensor | None = None
    ) -> None:
        """Adds a batch."""
        if sample_weight is not None:
            sample_weight = ops.cast(ops.greater(sample_weight, 0), "float32")
        super().update_state(y_true, y_pred, sample_weight)


def accuracy(y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
    """Returns 1 for each picture on the right side of 0.5, else 0; (n,). A blend counts as its greater part."""
    return ops.cast(ops.equal(y_pred[:, 0] > 0.5, y_true[:, 0] > 0.5), "float32")


def cross_entropy(y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
    """Returns each picture's binary cross-entropy against its label as it is, (n,): what runs are compared by."""
    return _cross_entropy(y_true[:, 0], y_pred[:, 0])


def _cross_entropy(target: keras.KerasTensor, score: keras.KerasTensor) -> keras.KerasTensor:
    score = ops.clip(score, _TINY, 1 - _TINY)
    return -(target * ops.log(score) + (1 - target) * ops.log(1 - score))
