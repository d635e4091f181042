"""Decode and resize one picture in a TensorFlow graph: training, and the SavedModel's endpoint for encoded bytes."""

import tensorflow as tf

from gender_tfds.images_cv import NUDGE


def decode_and_resize(encoded: tf.Tensor, size: int) -> tf.Tensor:
    """Returns the centred square of a picture as a uint8 RGB tensor of shape (size, size, 3).

    The same function as `images_cv.decode_and_resize`, except that TensorFlow's decoders ignore the EXIF orientation
    and read fewer formats (JPEG, PNG, BMP, GIF and WebP).

    Args:
      encoded: scalar string tensor, the bytes of a file.
      size: height and width of the result in pixels, a Python int.

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
    shape = tf.shape(image)
    side = tf.minimum(shape[0], shape[1])
    image = tf.image.crop_to_bounding_box(image, (shape[0] - side) // 2, (shape[1] - side) // 2, side, side)
    resized = tf.cond(
        side > size,
        lambda: _average_areas(image, size),
        lambda: tf.image.resize(image, (size, size), method="bilinear"),
    )
    image = tf.cast(tf.round(resized + NUDGE), tf.uint8)
    image.set_shape((size, size, 3))
    return image


def _average_areas(image: tf.Tensor, size: int) -> tf.Tensor:
    """Returns a square picture, uint8 (side, side, 3), shrunk to float32 (size, size, 3); `size` is less than the side.

    What `tf.image.resize(method="area")` is for, which knows in float32 where an area begins and so misses a level
    by up to 0.003: at 200 to 96 pixels that rounds one value of 5,000 to another level than OpenCV, and with it a
    probability by 0.001.
    """
    side = tf.shape(image)[0]
    edges = tf.range(size + 1, dtype=tf.float64) * tf.cast(side, tf.float64) / size
    reach = -(-side // size) + 1  # pixels that an area may touch
    touched = tf.cast(tf.floor(edges[:-1]), tf.int32)[:, tf.newaxis] + tf.range(reach)
    pixel = tf.cast(touched, tf.float64)
    covered = tf.clip_by_value(edges[1:, tf.newaxis] - pixel, 0, 1) - tf.clip_by_value(
        edges[:-1, tf.newaxis] - pixel, 0, 1
    )
    weights = tf.cast(covered * tf.cast(size / side, tf.float64), tf.float32)[:, tf.newaxis]
    touched = tf.minimum(touched, side - 1)  # beyond the border the weight is 0

    def average(rows: tf.Tensor) -> tf.Tensor:
        return tf.matmul(weights, tf.gather(rows, touched))[:, 0]

    rows = tf.reshape(average(tf.reshape(tf.cast(image, tf.float32), (side, -1))), (size, side, 3))
    columns = average(tf.reshape(tf.transpose(rows, (1, 0, 2)), (side, -1)))
    return tf.transpose(tf.reshape(columns, (size, size, 3)), (1, 0, 2))
