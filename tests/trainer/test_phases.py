"""The phases of a run."""

import dataclasses

import pytest

from trainer.config import TrainConfig
from trainer.phases import make_phases


def test_a_plain_run_is_one_phase():
    (phase,) = make_phases(TrainConfig(epochs=7, image_size=96))
    assert (phase.first, phase.end, phase.image_size, phase.schedule, phase.frozen) == (0, 7, 96, (0, 7), False)


def test_pictures_grow_under_one_schedule():
    phases = make_phases(TrainConfig(epochs=40, image_size=96, start_size=64, learning_rate=0.5))
    assert [(p.first, p.end, p.image_size) for p in phases] == [(0, 16, 64), (16, 28, 80), (28, 40, 96)]
    assert {(p.schedule, p.learning_rate) for p in phases} == {((0, 40), 0.5)}


def test_every_epoch_is_in_one_phase_also_of_short_runs():
    for epochs in range(1, 8):
        phases = make_phases(TrainConfig(epochs=epochs, image_size=64, start_size=32))
        trained = [epoch for phase in phases for epoch in range(phase.first, phase.end)]
        assert trained == list(range(epochs))
        assert phases[-1].image_size == 64


def test_a_start_size_that_is_the_whole_size_is_one_phase():
    assert len(make_phases(TrainConfig(image_size=64, start_size=64))) == 1


def test_a_frozen_phase_is_followed_by_one_at_a_lower_rate_and_each_has_a_schedule_of_its_own():
    config = TrainConfig(model="vgg16", pretrained="imagenet", epochs=10, frozen_epochs=3, learning_rate=0.5)
    frozen, rest = make_phases(config)
    assert (frozen.first, frozen.end, frozen.frozen, frozen.learning_rate, frozen.schedule) == (0, 3, True, 0.5, (0, 3))
    assert (rest.first, rest.end, rest.frozen, rest.schedule) == (3, 10, False, (3, 10))
    assert rest.learning_rate == pytest.approx(0.05)
    assert make_phases(dataclasses.replace(config, unfrozen_rate=0.5))[1].learning_rate == pytest.approx(0.25)


@pytest.mark.parametrize("frozen_epochs", [4, 9])
def test_a_base_can_stay_frozen_to_the_end(frozen_epochs):
    (phase,) = make_phases(TrainConfig(model="vgg16", pretrained="imagenet", epochs=4, frozen_epochs=frozen_epochs))
    assert (phase.frozen, phase.end) == (True, 4)
