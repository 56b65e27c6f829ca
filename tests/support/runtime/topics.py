"""Topics for tests and measurements that use Kafka without a service."""

from collections.abc import Iterable

from services.runtime.kafka.topics import Topics, TopicsNotCreated
from services.runtime.settings import Settings
from tests.support.waiting import eventually


async def ensure_topics(settings: Settings, names: Iterable[str]) -> None:
    """Create the missing topics, as services do: again while the cluster cannot yet. Raises other `KafkaError`."""
    topics = Topics(settings, names)

    async def ensured() -> bool:
        try:
            await topics.ensure()
        except TopicsNotCreated:
            return False
        return True

    try:
        await eventually(ensured, 20, "the topics are created")
    finally:
        await topics.close()
