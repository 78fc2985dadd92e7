"""Runs on workers: real RabbitMQ, PostgreSQL for history and warehouse, and the processes of ``make cluster``."""
