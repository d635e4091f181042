"""Decode and resize one picture in a TensorFlow graph: training, and the SavedModel's endpoint for encoded bytes."""

import tensorflow as tf

from gender_tfds.images_cv import NUDGE


@tf.function(autograph=False)  # which is traced once a size, not once a pipeline
def decode_and_resize(encoded: tf.Tensor, size: int, *, exact: bool = True) -> tf.Tensor:
    """Returns the centred square of a picture as a uint8 RGB tensor of shape (size, size, 3).

    The same function as `images_cv.decode_and_resize`, except that TensorFlow's decoders ignore the EXIF orientation
    and read fewer formats (JPEG, PNG, BMP, GIF and WebP).

    Args:
      encoded: scalar string tensor, the bytes of a file.
      size: height and width of the result in pixels, a Python int.
      exact: shrink as OpenCV does. Otherwise by TensorFlow's own area average, in two thirds of the time, which knows
        in float32 where an area begins and so misses a level by up to 0.003: at 200 to 96 pixels that rounds one value
        of 5,000 to another level, and moves a probability by up to 0.001. Enough for a picture that is augmented.

    Raises:
      tf.errors.InvalidArgumentError: when run, for bytes that are no picture.
    """
    image = tf.cond(
        tf.io.is_jpeg(encoded),
        # The default method differs from libjpeg, and so from OpenCV, by up to 4 levels.
        lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_image(encoded, channels=3, expand_animations=False),
    )
    image.set_shape((None, None, 3))
    shape = tf.shape(image)[:2]
    side = tf.reduce_min(shape)
    # not crop_to_bounding_box, whose checks take as long as decoding does
    image = tf.slice(image, tf.concat([(shape - side) // 2, [0]], 0), tf.stack([side, side, 3]))
    resized = tf.cond(
        side > size,
        lambda: _average_areas(image, side, size) if exact else tf.image.resize(image, (size, size), method="area"),
        lambda: tf.image.resize(image, (size, size), method="bilinear"),
    )
    image = tf.cast(tf.round(resized + NUDGE), tf.uint8)
    image.set_shape((size, size, 3))
    return image


def _average_areas(image: tf.Tensor, side: tf.Tensor, size: int) -> tf.Tensor:
    """Returns a square picture, uint8 (side, side, 3), shrunk to float32 (size, size, 3); `size` is less than the side.

    Along an axis a pixel is `size` units long and an area `side`, so that all edges are whole numbers.
    """
    begin = tf.range(size)[:, tf.newaxis] * side
    first, end = begin // size, -(-(begin + side) // size)
    touched = first + tf.range(tf.reduce_max(end - first))
    covered = tf.minimum(begin + side, (touched + 1) * size) - tf.maximum(begin, touched * size)
    weights = tf.cast(tf.nn.relu(covered), tf.float32)[:, tf.newaxis] / tf.cast(side, tf.float32)
    touched = tf.minimum(touched, side - 1)  # beyond the border the weight is 0

    def average(rows: tf.Tensor) -> tf.Tensor:
        return tf.matmul(weights, tf.gather(tf.reshape(rows, (side, -1)), touched))

    rows = tf.reshape(average(tf.cast(image, tf.float32)), (size, side, 3))
    columns = average(tf.transpose(rows, (1, 0, 2)))
    return tf.transpose(tf.reshape(columns, (size, size, 3)), (1, 0, 2))
