"""The kiosk's own door: /health for people and watchdogs, /metrics for Prometheus. Only `app` enters."""
