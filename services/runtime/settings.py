"""The settings of one service process: environment variables with the prefix ``ONEDOOR_``."""

from datetime import timedelta
from ipaddress import ip_network
from os import getpid
from socket import gethostname
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from contracts.faults import fault
from services.runtime.clock import ClockName
from services.runtime.security.encryption import DatabaseAddress, encrypted_kafka, encrypted_url, split

System = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


Systems = Annotated[tuple[System, ...], NoDecode, BeforeValidator(split)]
"""Department systems, comma separated."""


def _network(text: str) -> str:
    try:
        network = ip_network(text)
    except ValueError:
        raise fault(
            f"{text!r} is neither an IP address nor a network such as 10.1.0.0/16",
            f"{text!r} 既不是 IP 地址，也不是 10.1.0.0/16 这样的网段",
        ) from None
    if network.prefixlen == 0:
        raise fault(
            f"{text!r} is everybody, who could then take any address; name the proxies",
            f"{text!r} 等于信任所有来源，任何人都可冒用他人地址；请写明代理的地址",
        )
    return text


TrustedProxies = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], NoDecode, BeforeValidator(split)]
"""Addresses and networks of proxies, comma separated."""


RECORD_RETENTION = 1827
"""Days of five years."""

RecordRetention = Annotated[
    int, Field(ge=31, description="How long the record of access is kept. Whole days that are sealed are deleted.")
]


class HttpSettings(BaseSettings):
    """The settings of a process with HTTP servers. A wrong value stops it at the start."""

    model_config = SettingsConfigDict(env_prefix="ONEDOOR_", extra="ignore", frozen=True, hide_input_in_errors=True)

    host: str = Field("127.0.0.1", description="Address of the public HTTP server.")
    port: int = Field(8000, ge=1, le=65535, description="Port of the public HTTP server.")
    operator_host: str = Field(
        "127.0.0.1",
        description="Address of the HTTP server of operators: metrics, readiness, paused topics, the description of "
        "the API. Not for the public.",
    )
    operator_port: int = Field(9000, ge=1, le=65535, description="Port of the HTTP server of operators.")
    trusted_proxies: TrustedProxies = Field(
        ("127.0.0.1", "::1"),
        description="Addresses or networks of the proxies in front, comma separated. Their X-Forwarded-For is the "
        "address of a client, and their X-Forwarded-Proto its scheme; nobody else is believed.",
    )
    http_head_s: float = Field(
        10, gt=0, le=600, description="Seconds that a client has for the head of a request, before it is disconnected."
    )
    http_transfer_s: float = Field(
        20,
        gt=0,
        le=600,
        description="Seconds that a client has for the body of a request, and to read some of an answer. More for "
        "clients on slow lines.",
    )

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        if self.port == self.operator_port and self.host == self.operator_host:
            raise fault(
                "port and operator_port must differ; change one of them",
                "port 与 operator_port 不得相同，请更改其一",
            )
        return self


class KafkaSettings(HttpSettings):
    """The settings of a process that follows what others publish on Kafka."""

    service: str = Field(description="Name of the service: its consumer group, and its name in events and logs.")
    replica: str = Field(
        default_factory=lambda: f"{gethostname()}-{getpid()}",
        min_length=1,
        max_length=100,
        description="Name of this process among the replicas of its service. Set a name that no other replica has and "
        "that stays over a restart: the process then resumes its partitions at once, also after it was killed. "
        "By default the machine and the process number.",
    )

    kafka: str = Field("127.0.0.1:9092", min_length=1, description="Kafka bootstrap addresses, comma separated.")
    kafka_security: str = Field(
        "PLAINTEXT",
        pattern="^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$",
        description="Kafka security protocol. Brokers on other machines require SSL or SASL_SSL.",
    )
    kafka_sasl_mechanism: str = Field(
        "SCRAM-SHA-512", pattern="^(PLAIN|SCRAM-SHA-256|SCRAM-SHA-512)$", description="SASL mechanism."
    )
    kafka_username: str | None = Field(None, description="SASL user name.")
    kafka_password: SecretStr | None = Field(None, description="SASL password.")
    kafka_ca_file: str | None = Field(None, description="PEM file of the authority that signed Kafka's certificate.")
    topic_prefix: str = Field(
        "",
        pattern="^[A-Za-z0-9._-]{0,64}$",
        description="Prefix of all topics and groups, for a cluster shared with other systems.",
    )
    documents_key: SecretStr = Field(
        min_length=32,
        description="Key that authenticates what every process follows: the posts from which rights come, and the "
        "calendars. The same at every service; keep it secret. With another one, documents are published again.",
    )

    @model_validator(mode="after")
    def _check_kafka(self) -> Self:
        if not self.kafka:
            return self
        if self.kafka_security.startswith("SASL") and not (self.kafka_username and self.kafka_password):
            raise fault(
                f"kafka_username and kafka_password must be set for kafka_security {self.kafka_security}",
                f"kafka_security 为 {self.kafka_security} 时须设置 kafka_username 和 kafka_password",
            )
        encrypted_kafka(self.kafka, self.kafka_security)
        return self


class Settings(KafkaSettings):
    """The settings of a service process. A wrong value stops it at the start."""

    partitions: int = Field(6, ge=1, le=1000, description="Partitions of each topic that this service creates.")
    replication: int = Field(1, ge=1, le=7, description="Replicas of each topic that this service creates.")
    topic_retention_days: int = Field(
        7, ge=1, le=365, description="How long Kafka keeps records. Must be shorter than closed_retention_days."
    )

    database: DatabaseAddress = Field(
        description="The service's own database: postgresql+asyncpg://user:password@host/name?ssl=verify-full. Without "
        "the end on this machine only."
    )
    database_connections: int = Field(10, ge=2, le=100, description="Most connections that this process opens.")

    issuer: Annotated[str, AfterValidator(encrypted_url)] | None = Field(
        None,
        description="Address of the issuer of logins (OpenID Connect), such as https://login.example.gov.cn. No "
        "service starts without it.",
    )
    audience: str = Field(
        "onedoor", min_length=1, max_length=200, description="The audience that access tokens must name."
    )
    subject_claim: str = Field(
        "sub",
        pattern="^[a-z_]{1,64}$",
        description="The claim of access tokens that has the id which the directory gives to the person or program.",
    )
    secret_key: SecretStr = Field(
        min_length=32,
        description="Key from which tracking secrets and case numbers derive. Keep it secret; never change it.",
    )

    clock: ClockName = Field("system", description="'system', or the path of a clock file that can be set and sped up.")
    clock_tolerance_s: float = Field(
        300,
        ge=0,
        le=86400,
        description="Seconds by which honest clocks may differ: a moment from outside that lies so little in the "
        "future counts as the moment of receipt.",
    )
    systems: Systems = Field(
        min_length=1,
        description="The department systems of the installation, comma separated. The same at every service, but a "
        "department's own, which needs to know itself only.",
    )

    batch: int = Field(500, ge=1, le=5000, description="Most records processed in one transaction.")
    dead_letters_a_minute: int = Field(
        1000,
        ge=1,
        description="More dead letters of one topic than this in one minute pause the topic, until an operator resumes "
        "it or the process is restarted. Other topics go on.",
    )
    dead_letter_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A topic is paused as well when more than this share of its latest records became dead letters, at "
        "least 50 of the latest 500. 1: never.",
    )
    calls: int = Field(64, ge=1, le=5000, description="Most external calls under way.")
    call_timeout_s: float = Field(30, gt=0, description="Seconds after which an external call has failed.")
    poll_interval_s: float = Field(1.0, gt=0, description="Seconds between two polls for notifications.")
    relay_age_s: float = Field(
        5.0, gt=0, description="Seconds after which any replica publishes a message that is still unpublished."
    )
    closed_retention_days: int = Field(
        90, ge=2, description="How long closed cases are kept. Until then they recognise duplicates."
    )
    outbox_retention_days: int = Field(30, ge=1, description="How long published messages are kept in the outbox.")
    settled_letters_retention_days: int = Field(
        30,
        ge=1,
        description="How long dead letters are kept after they were replayed, corrected or dropped. They may contain "
        "personal data. Parked ones are kept until then.",
    )
    record_retention_days: RecordRetention = RECORD_RETENTION
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Lowest level that is logged.")

    @property
    def clock_tolerance(self) -> timedelta:
        """By how much honest clocks may differ (RFC 4120, section 8.2, recommends five minutes to Kerberos)."""
        return timedelta(seconds=self.clock_tolerance_s)

    @property
    def lasting_replica(self) -> str | None:
        """The name of this process if it stays over a restart: it was set. None if it is the default."""
        return self.replica if "replica" in self.model_fields_set else None

    def systems_of(self, service: str) -> tuple[str, ...]:
        """The systems whose topics a service consumes: its own if it is the service of one, else all."""
        return (service,) if service in self.systems else self.systems

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.topic_retention_days >= self.closed_retention_days:
            raise fault(
                "topic_retention_days must be shorter than closed_retention_days; change one of them",
                "topic_retention_days 须短于 closed_retention_days，请更改其一",
            )
        return self
