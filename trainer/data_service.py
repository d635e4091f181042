"""Reading and decoding on other machines, by tf.data service: workers send ready examples to the training."""

import socket
import urllib.parse

import tensorflow as tf

from gender_tfds.user_error import UserError

_SENT = 64  # examples in a message; one at a time is slow
_PATIENCE = 5  # seconds
POLICY = tf.data.experimental.service.ShardingPolicy.DYNAMIC  # with OFF every worker would send every example


def check_service(address: str | None) -> None:
    """Looks whether a dispatcher answers; tf.data itself would wait for it.

    Args:
      address: `grpc://host:port`, or None for no service.

    Raises:
      UserError: it is no such address, or nothing answers there.
    """
    if address is None:
        return
    parts = urllib.parse.urlsplit(address)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is no number
        host, port = None, None
    if parts.scheme != "grpc" or not host or not port:
        raise UserError(f"--data_service={address} is no address; give that of the dispatcher, grpc://host:port")
    try:
        socket.create_connection((host, port), _PATIENCE).close()
    except OSError as error:
        raise UserError(
            f"--data_service={address}: no dispatcher answers there ({error.strerror or error}); start it, and workers,"
            " or leave the flag out"
        ) from error


def read_by_service(examples: tf.data.Dataset, address: str) -> tf.data.Dataset:
    """Returns the same examples, read by the workers of a service, each once in every pass, in no certain order.

    The workers open the files by the same paths as this process would.

    Args:
      examples: whose source has files to divide; no number of them may be asserted, since a worker reads a part.
      address: of the dispatcher, `grpc://host:port`.
    """
    distribute = tf.data.experimental.service.distribute(processing_mode=POLICY, service=address)
    return examples.batch(_SENT).apply(distribute).unbatch()
