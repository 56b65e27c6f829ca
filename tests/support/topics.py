"""Topics for whoever talks to Kafka without a service around it."""

from collections.abc import Iterable

from services.runtime.kafka.topics import Topics
from services.runtime.settings import Settings


async def ensure_topics(settings: Settings, names: Iterable[str]) -> None:
    """Create those of the topics that do not exist, once. Raises `KafkaError` when the cluster will not."""
    topics = Topics(settings, names)
    try:
        await topics.ensure()
    finally:
        await topics.close()
