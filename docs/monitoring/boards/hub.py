"""The hub itself: rows of panels."""

from boards.panels import HUB, Panel, above, below, lines, quantile, rate, stat, table


def hub() -> list[tuple[str, list[Panel]]]:
    """One hub, or several."""
    h = HUB
    ended = "kioskwire_operations_total"
    bad = rate(ended, h + ',outcome=~"failed|expired|unknown"', over="15m")
    return [
        (
            "At a glance",
            [
                stat(
                    "Kiosks connected",
                    "Kiosks whose socket the hub holds now. Green while at least one is here.",
                    f"sum(kioskwire_kiosks_connected{{{h}}})",
                    steps=below(1),
                ),
                stat(
                    "Operations a minute",
                    "Operations that ended, by the last five minutes.",
                    f"60 * {rate(ended, h, over='5m')}",
                ),
                stat(
                    "Not succeeded",
                    "Of operations that ended within 15 minutes, those that failed, expired or are unknown.",
                    f"({bad} or vector(0)) / {rate(ended, h, over='15m')}",
                    "percentunit",
                    above(0.05, 0.2),
                ),
                stat(
                    "Latency, 95 %",
                    "95 of 100 callers were answered within this time, by the last five minutes.",
                    quantile(0.95, "kioskwire_operation_seconds", h, over="5m"),
                    "s",
                    above(5, 20),
                ),
                stat(
                    "Unknown outcome",
                    "Operations of which nobody knows what became: a person finds out and settles them.",
                    f"sum(max by (fleet) (kioskwire_operations_unknown{{{h}}}))",
                    steps=above(1, 10),
                ),
                stat(
                    "Critical alerts",
                    "Alerts of the hub that stand: what they are is on its dashboard and in Telegram.",
                    f'sum(max by (kind, fleet) (kioskwire_alerts_standing{{{h},severity="critical"}})) or vector(0)',
                    steps=above(1),
                ),
            ],
        ),
        (
            "Operations",
            [
                lines(
                    "Operations by outcome",
                    "How operations ended, per minute.",
                    "opm",
                    (f"60 * {rate(ended, h, 'outcome')}", "{{outcome}}"),
                    stacked=True,
                ),
                lines(
                    "Latency",
                    "From POST /send to its answer: half of the callers, 95 and 99 of 100.",
                    "s",
                    *((quantile(q, "kioskwire_operation_seconds", h), f"{q:.0%}") for q in (0.5, 0.95, 0.99)),
                ),
                lines(
                    "Operations by type",
                    "Operations that ended, per minute, by Header-Operation-Type.",
                    "opm",
                    (f"60 * {rate(ended, h, 'operation')}", "{{operation}}"),
                    stacked=True,
                ),
                lines(
                    "Where the time goes",
                    "95 of 100: the whole, and the part at the kiosk. What is between is the line.",
                    "s",
                    (quantile(0.95, "kioskwire_operation_seconds", h), "whole"),
                    (quantile(0.95, "kioskwire_operation_kiosk_seconds", h), "at the kiosk"),
                ),
                lines(
                    "Under way",
                    "Operations callers wait for, and those kept for kiosks that are away.",
                    "short",
                    (f"sum(kioskwire_operations_running{{{h}}})", "running"),
                    (f"sum(max by (fleet) (kioskwire_operations_queued{{{h}}}))", "queued"),
                ),
                lines(
                    "Unsettled",
                    "Operations of unknown outcome; with those for which their callers wait no more.",
                    "short",
                    (f"sum(max by (fleet) (kioskwire_operations_unknown{{{h}}}))", "unknown"),
                    (f"sum(max by (fleet) (kioskwire_operations_unsettled{{{h}}}))", "unsettled"),
                ),
                lines(
                    "What needs a person",
                    "Within an hour: kiosks that lost their journal with an operation in it, and "
                    "kiosks that tell otherwise than a person settled. Each is about money.",
                    "short",
                    (f"sum(increase(kioskwire_operations_orphaned_total{{{h}}}[1h]))", "journal lost"),
                    (f"sum(increase(kioskwire_operations_contradicted_total{{{h}}}[1h]))", "contradicted"),
                ),
                lines(
                    "Callbacks",
                    "Attempts per minute by result, and callbacks not yet delivered.",
                    "short",
                    (f"60 * {rate('kioskwire_callbacks_total', h, 'result')}", "{{result}} a minute"),
                    (f"sum(max by (fleet) (kioskwire_callbacks_waiting{{{h}}}))", "waiting"),
                ),
            ],
        ),
        (
            "Kiosks",
            [
                lines(
                    "Connected",
                    "Kiosks here, of those registered and let in.",
                    "short",
                    (f"sum(kioskwire_kiosks_connected{{{h}}})", "connected"),
                    (f"sum(max by (fleet) (kioskwire_kiosks_registered{{{h}}}))", "registered"),
                ),
                lines(
                    "Coming and going",
                    "Sockets opened, ended by why, and refused, per minute.",
                    "cpm",
                    (f"60 * {rate('kioskwire_kiosk_connections_total', h)}", "opened"),
                    (f"60 * {rate('kioskwire_kiosk_disconnects_total', h, 'reason')}", "ended: {{reason}}"),
                    (f"60 * {rate('kioskwire_kiosk_refusals_total', h, 'code')}", "refused: {{code}}"),
                ),
            ],
        ),
        (
            "The hub itself",
            [
                lines(
                    "Database: one group of writes",
                    "How long a transaction with all that waited took: half, and 99 of 100. "
                    "Beyond 0.1 s callers feel it.",
                    "s",
                    (quantile(0.5, "kioskwire_database_transaction_seconds", h), "50%"),
                    (quantile(0.99, "kioskwire_database_transaction_seconds", h), "99%"),
                ),
                lines(
                    "Database: load",
                    "Groups written and failed per second, and rows that wait for the next.",
                    "short",
                    (rate("kioskwire_database_transaction_seconds_count", h), "groups a second"),
                    (rate("kioskwire_database_write_failures_total", h), "failures a second"),
                    (f"sum(kioskwire_database_writes_waiting{{{h}}})", "rows waiting"),
                ),
                lines(
                    "Event loop",
                    "How late the hub's only loop woke: all kiosks wait for so long.",
                    "s",
                    (f"max by (instance) (kioskwire_event_loop_lag_seconds{{{h}}})", "{{instance}}"),
                ),
                lines(
                    "Tasks",
                    "Tasks of the event loop. What grows without operations or kiosks growing is a leak.",
                    "short",
                    (f"max by (instance) (kioskwire_event_loop_tasks{{{h}}})", "{{instance}}"),
                ),
                lines(
                    "HTTP answers",
                    "Answers per second by status; 429 and 503 are limits at work.",
                    "reqps",
                    (rate("kioskwire_http_requests_total", h, "status"), "{{status}}"),
                    stacked=True,
                ),
                lines(
                    "Telling people",
                    "Notices of alerts and calls of Telegram per minute, by result.",
                    "cpm",
                    (f"60 * {rate('kioskwire_alert_notices_total', h, 'channel, result')}", "{{channel}} {{result}}"),
                    (f"60 * {rate('kioskwire_telegram_calls_total', h, 'result')}", "bot calls {{result}}"),
                ),
                table(
                    "Alerts that stand",
                    "By kind and severity, as the hub counts them.",
                    "short",
                    (f"max by (kind, severity) (kioskwire_alerts_standing{{{h}}}) > 0", "{{kind}} {{severity}}"),
                ),
                lines(
                    "Figures pushed elsewhere",
                    "Pushes per minute by result, and how many sets wait. Nothing where "
                    "GRAFANA_PROMETHEUS_URL is not set.",
                    "short",
                    (f"60 * {rate('kioskwire_telemetry_pushes_total', h, 'result')}", "{{result}} a minute"),
                    (f"sum(kioskwire_telemetry_waiting{{{h}}})", "waiting"),
                ),
            ],
        ),
    ]
