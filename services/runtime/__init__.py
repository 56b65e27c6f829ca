"""The one shell: Kafka, PostgreSQL, loops, clock and telemetry. It knows no business word."""
