"""Topics for tests and measurements that use Kafka without a service."""

from collections.abc import Iterable

from services.runtime.kafka.topics import Topics
from services.runtime.settings import Settings


async def ensure_topics(settings: Settings, names: Iterable[str]) -> None:
    """Create the missing topics. Raises `KafkaError` if the cluster refuses."""
    topics = Topics(settings, names)
    try:
        await topics.ensure()
    finally:
        await topics.close()
