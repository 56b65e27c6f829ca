"""The one runtime of all services: Kafka, PostgreSQL, loops, clock and telemetry. It knows no business word."""
