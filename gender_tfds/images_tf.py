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
        lambda: tf.image.resize(image, (size, size), method="area"),
        lambda: tf.image.resize(image, (size, size), method="bilinear"),
    )
    image = tf.cast(tf.round(resized + NUDGE), tf.uint8)
    image.set_shape((size, size, 3))
    return image
