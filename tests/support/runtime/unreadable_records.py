"""Publishes a record that Kafka stores and its Python client cannot read: the name of a header is no UTF-8.

No client library sends such a record, so the request is written by hand (Kafka protocol, Produce version 3).
"""

import asyncio
import struct

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

_NAME, _BAD_NAME = b"name", b"na\xff\xfe"
_CRC, _ATTRIBUTES = 17, 21
"""Where the checksum of a record batch stands, and where the bytes begin that it covers."""


async def publish_unreadable(address: str, topic: str, partition: int, key: bytes, value: bytes) -> None:
    """Publish the record to the broker at this address."""
    request = _request(topic, partition, _batch(key, value))
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(struct.pack(">i", len(request)) + request)
    (length,) = struct.unpack(">i", await reader.readexactly(4))
    answer = await reader.readexactly(length)
    writer.close()
    # Correlation id, one topic with its name, one partition with its number, then the error.
    (error,) = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(topic) + 4 + 4)
    assert error == 0, f"Kafka refused the record with error {error}"


def _batch(key: bytes, value: bytes) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000_000)
    builder.append(0, None, key, value, [(_NAME.decode(), b"x")])
    batch = bytearray(bytes(builder.build()).replace(_NAME, _BAD_NAME))
    struct.pack_into(">I", batch, _CRC, calc_crc32c(bytes(batch[_ATTRIBUTES:])))
    return bytes(batch)


def _request(topic: str, partition: int, batch: bytes) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack(">h", len(value)) + value.encode()

    header = struct.pack(">hhi", 0, 3, 1) + text("test")
    options = struct.pack(">hhi", -1, -1, 5000)  # no transaction, all acknowledgements, five seconds
    one_topic = struct.pack(">i", 1) + text(topic)
    return header + options + one_topic + struct.pack(">iii", 1, partition, len(batch)) + batch
