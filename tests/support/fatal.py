"""Fatal errors of librdkafka, as its own tests make them."""

import ctypes
from pathlib import Path
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError

_HEAD_BYTES = 16
"""Of a Python object; librdkafka's handle is the first thing in one of confluent-kafka."""


def make_fatal(client: Any, code: int = KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER) -> None:
    """From now on a Producer or Consumer has failed for good."""
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    library = ctypes.CDLL(str(next(folder.glob("librdkafka*"))))
    library.rd_kafka_test_fatal_error.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p]
    handle = ctypes.c_void_p.from_address(id(client) + _HEAD_BYTES).value
    library.rd_kafka_test_fatal_error(handle, code, b"made by a test")
