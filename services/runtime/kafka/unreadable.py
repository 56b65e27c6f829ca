"""Records in which Kafka's client fails, such as one with a header whose name is not text.

The client decodes the records of a partition together. When it fails in one, the records that it has decoded with that
one are lost for the caller, and the client does not say where it failed. So the partitions are searched.
"""

from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException, KafkaError, UnsupportedCodecError

READ_MS = 5000
"""Machine milliseconds for which the search waits for the records of one partition."""

REBALANCING = (KafkaError, ConsumerStoppedError, TimeoutError, AssertionError)
"""What aiokafka raises when a partition is asked about that the group has just taken away."""

Records = tuple[ConsumerRecord[Any, Any], ...]


class UnreadableRecord(Exception):
    """The client failed in a record. All records that it read with that one are to be read again."""


def is_unreadable(error: BaseException) -> bool:
    """Whether the client has failed in a record, rather than in reaching Kafka."""
    if isinstance(error, CorruptRecordException | UnsupportedCodecError):
        return True
    return not isinstance(error, KafkaError | ConsumerStoppedError | TimeoutError)


async def search(
    consumer: AIOKafkaConsumer, partition: TopicPartition, most_bytes: int
) -> tuple[Records, Exception | None]:
    """Read a partition record by record, from what was acknowledged, until the client fails.

    Returns the records before that one, and the failure; no failure if there is none within ``most_bytes``. The
    position of the partition is then at the record in which the client failed. Raises `KafkaError`.
    """
    committed = await consumer.committed(partition)
    if committed is None:
        await consumer.seek_to_beginning(partition)
    else:
        consumer.seek(partition, committed)
    found: list[ConsumerRecord[Any, Any]] = []
    size = 0
    while size < most_bytes and await consumer.position(partition) < (consumer.highwater(partition) or 0):
        try:
            read = await consumer.getmany(partition, timeout_ms=READ_MS, max_records=1)
        except Exception as error:
            if not is_unreadable(error):
                raise
            return tuple(found), error
        if not (records := read.get(partition)):
            break
        found += records
        size += sum(len(record.value or b"") for record in records)
    return (), None
