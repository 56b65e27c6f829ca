"""Topics for tests and measurements that use Kafka without a service."""

from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from services.runtime.kafka.topics import Topics
from services.runtime.settings import Settings


async def ensure_topics(settings: Settings, names: Iterable[str]) -> None:
    """Create the missing topics. Raises `KafkaError` if the cluster refuses."""
    topics = Topics(settings, names)
    try:
        await topics.ensure()
    finally:
        await topics.close()


async def topic_setting(kafka: str, topic: str, name: str) -> str:
    """A setting that is in force for a topic, wherever it was made."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, configs={name: None})]
        )
    finally:
        await admin.close()
    ((_, _, _, _, ((found, value, *_),)),) = answer.resources
    assert found == name
    return str(value)
