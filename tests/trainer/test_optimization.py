"""Optimizers and learning rates."""

import doctest

import keras
import numpy as np
import pytest

from trainer import optimization
from trainer.config import OPTIMIZERS, TrainConfig
from trainer.muon import Muon
from trainer.optimization import Schedule, make_optimizer, plateau_rate


def _rates(kind, warmup=0, total=100):
    schedule = Schedule(kind, 0.4, warmup, total)
    return np.array([float(schedule(step)) for step in range(total)])


def test_cosine_falls_from_the_peak_to_nearly_nothing():
    rates = _rates("cosine")
    theirs = keras.optimizers.schedules.CosineDecay(0.4, 100)
    np.testing.assert_allclose(rates, [float(theirs(step)) for step in range(100)], rtol=1e-4, atol=1e-7)
    assert rates[0] == pytest.approx(0.4)
    assert rates[-1] < 0.001


def test_step_goes_to_a_tenth_twice():
    rates = _rates("step")
    np.testing.assert_allclose(rates[[0, 49, 50, 74, 75, 99]], [0.4, 0.4, 0.04, 0.04, 0.004, 0.004], rtol=1e-5)


def test_constant_is_constant():
    np.testing.assert_allclose(_rates("constant"), 0.4, rtol=1e-6)


@pytest.mark.parametrize("kind", ["constant", "cosine", "step"])
def test_warm_up_rises_to_the_peak(kind):
    rates = _rates(kind, warmup=10)
    np.testing.assert_allclose(rates[:10], 0.4 * np.arange(1, 11) / 10, rtol=1e-4)
    assert (rates[:9] < _rates(kind)[:9]).all()


def test_plateau_falls_after_three_epochs_without_a_better_loss_and_again():
    losses = [0.5, 0.4, 0.41, 0.42]
    assert plateau_rate(1.0, 0, losses) == 1.0
    assert plateau_rate(1.0, 0, [*losses, 0.43]) == pytest.approx(0.2)
    assert plateau_rate(1.0, 0, [*losses, 0.39, 0.43]) == 1.0  # it got better in time
    assert plateau_rate(1.0, 0, [*losses, 0.43, 0.43, 0.43, 0.43]) == pytest.approx(0.04)


def test_plateau_warms_up_by_epochs():
    assert [plateau_rate(1.0, 1, [1.0] * epoch) for epoch in range(2)] == [0.5, 1.0]


def test_the_examples_in_the_docstrings_are_true():
    assert doctest.testmod(optimization).failed == 0


def _step(config, gradient=1.0, precision="float32"):
    """The change of a kernel and a bias of 1 by one step."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.set_weights([np.ones((1, 1)), np.ones(1)])
    optimizer = make_optimizer(config, 10, config.epochs, config.learning_rate, precision)
    optimizer.build(model.trainable_variables)
    gradients = [np.full((1, 1), gradient, np.float32), np.full(1, gradient, np.float32)]
    optimizer.apply([keras.ops.convert_to_tensor(value) for value in gradients], model.trainable_variables)
    return [float(value.ravel()[0]) - 1 for value in model.get_weights()], optimizer


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adam", keras.optimizers.Adam),
        ("adamw", keras.optimizers.AdamW),
        ("muon", Muon),
        ("sgd", keras.optimizers.SGD),
        ("rmsprop", keras.optimizers.RMSprop),
    ],
)
def test_every_optimizer_goes_down(name, kind):
    (kernel, _), optimizer = _step(TrainConfig(optimizer=name, learning_rate=0.1))
    assert type(optimizer) is kind
    assert kernel < 0
    (up, _), _ = _step(TrainConfig(optimizer=name, learning_rate=0.1), gradient=-1.0)
    assert up > 0


def test_sgd_has_nesterovs_momentum():
    _, optimizer = _step(TrainConfig(optimizer="sgd"))
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_draws_kernels_to_zero_and_leaves_offsets(name):
    (kernel, bias), _ = _step(TrainConfig(optimizer=name, learning_rate=0.1, weight_decay=0.5), gradient=0.0)
    assert kernel == pytest.approx(-0.05)
    assert bias == 0
    (kernel, bias), _ = _step(TrainConfig(optimizer=name, learning_rate=0.1), gradient=0.0)
    assert (kernel, bias) == (0, 0)


def test_clipping_bounds_the_norm_of_all_gradients_together():
    (kernel, bias), _ = _step(TrainConfig(optimizer="sgd", learning_rate=1.0, clip_norm=1.0), gradient=30.0)
    (free, _), _ = _step(TrainConfig(optimizer="sgd", learning_rate=1.0), gradient=30.0)
    assert np.hypot(kernel, bias) == pytest.approx(1.9, rel=1e-3)  # 1 by the gradient, 0.9 by Nesterov's look ahead
    assert free == pytest.approx(-57, rel=1e-3)


def test_ema_is_passed_on():
    _, optimizer = _step(TrainConfig(ema=0.9))
    assert (optimizer.use_ema, optimizer.ema_momentum) == (True, 0.9)
    assert not _step(TrainConfig())[1].use_ema


def test_half_precision_scales_the_loss():
    assert isinstance(_step(TrainConfig(), precision="mixed_float16")[1], keras.optimizers.LossScaleOptimizer)


def test_the_schedule_spans_the_epochs_of_its_phase():
    optimizer = make_optimizer(TrainConfig(schedule="cosine", epochs=99), 10, 2, 0.4, "float32")
    schedule = optimizer._learning_rate
    assert (schedule.total_steps, schedule.peak) == (20, 0.4)
