"""The optimizer Muon, for the kernels of convolutions."""

from typing import Any

import keras
from keras import ops

_CONVOLUTION = 4  # dimensions of its kernel


@keras.saving.register_keras_serializable("gender-classifier")
class Muon(keras.optimizers.Muon):
    """Keras' Muon, which leaves convolutions to AdamW, on those: the momentum of each, as one matrix, made orthogonal.

    A kernel (height, width, in, out) is a matrix of a row for each of the numbers that an output is the sum of. All
    other weights are AdamW's: here the only dense ones are small or the last. Jordan et al., "Muon: An optimizer for
    hidden layers in neural networks", 2024, https://kellerjordan.github.io/posts/muon; the step's size, by which rates
    and decays are AdamW's, of Liu et al., "Muon is Scalable for LLM Training", 2025, https://arxiv.org/abs/2502.16982.
    """

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Any:
        """Returns what Keras' method of this name does, but for rounding, in less than half its time.

        Each iteration multiplies x by a polynomial in its Gram matrix x·xᵀ, and the next Gram matrix follows from that
        polynomial. So only two products, the first and the last, have the long side of x; Keras' way has two for each
        iteration.

        Args:
          x: the matrix, float (n, m).
          steps: iterations.
        """
        tall = x.shape[0] > x.shape[1]
        if tall:
            x = ops.transpose(x)
        x = x / (ops.norm(x) + 1e-7)
        gram = x @ ops.transpose(x)
        identity = all_factors = ops.eye(gram.shape[0], dtype=x.dtype)
        for _ in range(steps):
            factor = self.muon_a * identity + self.muon_b * gram + self.muon_c * gram @ gram
            gram = factor @ gram @ factor
            all_factors = factor @ all_factors
        x = all_factors @ x
        return ops.transpose(x) if tall else x

    def _should_use_adamw(self, variable: Any) -> bool:
        # a depthwise kernel, (height, width, channels, 1), has a matrix of one column
        return len(variable.shape) != _CONVOLUTION or variable.shape[-1] == 1

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:
        self.assign(m, self.momentum * m + gradient)
        step = ops.reshape(self.momentum * m + gradient, (-1, variable.shape[-1]))  # Nesterov's
        step = self.lr_adjust(lr * self.zeropower_via_newtonschulz5(step, self.ns_steps))
        self.assign_sub(variable, ops.reshape(step, variable.shape))
