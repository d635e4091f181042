import keras
import numpy as np
import pytest
from keras import ops

from trainer.muon import Muon


def _step(optimizer, shape, gradient=None):
    """The change of a kernel of zeros by one step."""
    kernel = keras.Variable(np.zeros(shape), dtype="float32")
    optimizer.build([kernel])
    if gradient is None:
        gradient = np.random.default_rng(0).normal(size=shape)
    optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [kernel])
    return np.asarray(kernel)


@pytest.mark.parametrize("shape", [(3, 3, 8, 16), (3, 3, 2, 64), (1, 1, 24, 48)])
def test_the_step_of_a_convolution_is_an_orthogonal_matrix_of_the_size_of_adamws(shape):
    def lengths(optimizer):
        matrix = _step(optimizer, shape).reshape(-1, shape[-1])
        return np.linalg.svd(matrix, compute_uv=False) / np.sqrt(max(matrix.shape)) / 0.1

    # five iterations bring each singular value to between 0.7 and 1.2; 0.2 is the size of AdamW's steps in a training
    assert lengths(Muon(learning_rate=0.1)) == pytest.approx(0.2, abs=0.07)
    other = lengths(keras.optimizers.AdamW(learning_rate=0.1))
    assert other.max() > 1.5 * other.min()


@pytest.mark.parametrize("shape", [(27, 24), (24, 96), (432, 96), (96, 96)])
@pytest.mark.parametrize("smallest", [1, 1e-2, 1e-6])
def test_the_iteration_is_keras_own(shape, smallest):
    """Also of a matrix that is all but singular, whose Gram matrix has eigenvalues below float32's rounding."""
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.normal(size=(side, min(shape))))[0] for side in shape)
    matrix = ops.convert_to_tensor((left * np.geomspace(1, smallest, min(shape))) @ right.T, "float32")
    optimizer = Muon()
    expected = np.asarray(keras.optimizers.Muon.zeropower_via_newtonschulz5(optimizer, matrix, 5))
    assert np.asarray(optimizer.zeropower_via_newtonschulz5(matrix, 5)) == pytest.approx(expected, abs=1e-3)
    assert np.asarray(optimizer.zeropower_via_newtonschulz5(matrix, 4)) != pytest.approx(expected, abs=1e-2)


def test_the_step_goes_down():
    gradient = np.random.default_rng(1).normal(size=(3, 3, 8, 16))
    step = _step(Muon(learning_rate=0.1), gradient.shape, gradient)
    assert (step * gradient).sum() < 0 < (_step(Muon(learning_rate=0.1), gradient.shape, -gradient) * gradient).sum()


@pytest.mark.parametrize("shape", [(8, 16), (16,), (3, 3, 8, 1)])
def test_all_other_weights_are_adamws(shape):
    expected = _step(keras.optimizers.AdamW(learning_rate=0.1, epsilon=1e-7), shape)
    assert _step(Muon(learning_rate=0.1), shape) == pytest.approx(expected)


@pytest.mark.parametrize(("second", "goes_on"), [(-1, True), (-20, False), (-40, False)])
def test_the_momentum_is_nesterovs(second, goes_on):
    """After a gradient of 100 the momentum is 50 more than the second, and Nesterov's 25 more than 1.5 times it."""
    optimizer = Muon(learning_rate=0.1, momentum=0.5)
    kernel = keras.Variable(np.zeros((1, 1, 4, 4)), dtype="float32")
    optimizer.build([kernel])
    positions = []
    for size in (100, second):
        gradient = size * np.eye(4, dtype="float32").reshape(kernel.shape)
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [kernel])
        positions.append(float(np.asarray(kernel)[0, 0, 0, 0]))
    assert positions[0] < 0
    assert (positions[1] < positions[0]) == goes_on
