"""Records that a broker, or a program that mirrors a cluster, has compressed: on the real Kafka."""

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.support.runtime.processes import Start, raw, send, until
from tests.support.runtime.toy import TOPIC, case


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_records_are_read(start: Start, codec: str) -> None:
    async with start(partitions=1) as host:
        topic = host.settings.topic_prefix + TOPIC
        async with AIOKafkaProducer(bootstrap_servers=host.settings.kafka, compression_type=codec) as producer:
            key, value = raw("compressed", case(1))
            await producer.send_and_wait(topic, value, key=key)
        admin = AIOKafkaAdminClient(bootstrap_servers=host.settings.kafka)
        await admin.start()
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"compression.type": codec})])
        await admin.close()
        await send(host.settings, raw("compressed by the broker", case(1)))
        await until(host, lambda tally: tally.instructions == ("compressed", "compressed by the broker"))
        assert not host.impairments()
