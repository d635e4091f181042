"""The phases of a run."""

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
