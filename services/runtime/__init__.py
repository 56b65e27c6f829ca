"""The runtime of all services: Kafka, PostgreSQL, jobs, HTTP, clock and telemetry. It contains no business rules."""
