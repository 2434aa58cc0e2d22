"""What Prometheus reads of the hub. One registry a hub, built by the entrance and handed to who counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from wire.version import VERSION

_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 45, 90, 180, 300)


class Metrics:
    """All series, by attribute. Labels hold names from our own tables and kiosks' route names, never a kiosk's id."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        r = self.registry
        self.operations = Counter(
            "kioskwire_operations", "Operations ended, by how", ["operation", "outcome"], registry=r
        )
        self.seconds = Histogram(
            "kioskwire_operation_seconds", "From POST /send to its answer", ["operation"], buckets=_LATENCY, registry=r
        )
        self.kiosk_seconds = Histogram(
            "kioskwire_operation_kiosk_seconds", "Of it at the kiosk", ["operation"], buckets=_LATENCY, registry=r
        )
        self.running = Gauge("kioskwire_operations_running", "Operations callers wait for", registry=r)
        self.queued = Gauge("kioskwire_operations_queued", "Operations kept for absent kiosks", registry=r)
        self.connected = Gauge("kioskwire_kiosks_connected", "Kiosks whose socket this hub holds", registry=r)
        self.connections = Counter("kioskwire_kiosk_connections", "Sockets opened by kiosks", registry=r)
        self.closed = Counter("kioskwire_kiosk_disconnects", "Sockets of kiosks ended, by why", ["reason"], registry=r)
        self.refused = Counter("kioskwire_kiosk_refusals", "Sockets refused, by close code", ["code"], registry=r)
        self.history_dropped = Counter(
            "kioskwire_connection_history_dropped", "Connections not noted: the database does not keep up", registry=r
        )
        self.duplicated = Gauge("kioskwire_kiosks_duplicated", "Kiosks with two boxes seen lately", registry=r)
        self.duplicates = Counter(
            "kioskwire_kiosk_duplicates", "Times a second box was seen with a kiosk's identity", registry=r
        )
        self.enrolments = Counter("kioskwire_enrolments", "Codes brought by kiosks, by result", ["result"], registry=r)
        self.malformed = Counter("kioskwire_kiosk_malformed_messages", "Messages nobody could read", registry=r)
        self.orphaned = Counter(
            "kioskwire_operations_orphaned", "Operations whose kiosk lost its journal before answering", registry=r
        )
        self.resolved = Counter("kioskwire_operations_resolved", "Settled by a person, by how", ["state"], registry=r)
        self.contradicted = Counter(
            "kioskwire_operations_contradicted", "Of them, those whose kiosk tells otherwise", registry=r
        )
        self.put_off = Counter(
            "kioskwire_kiosk_outcomes_put_off", "Outcomes of what is not known here, left to their kiosk", registry=r
        )
        self.events = Counter("kioskwire_kiosk_events", "Events stored", registry=r)
        self.callbacks = Counter("kioskwire_callbacks", "Callback attempts, by result", ["result"], registry=r)
        self.callbacks_waiting = Gauge("kioskwire_callbacks_waiting", "Callbacks not yet delivered", registry=r)
        self.writes_waiting = Gauge("kioskwire_database_writes_waiting", "Rows waiting for a transaction", registry=r)
        self.write_seconds = Histogram("kioskwire_database_transaction_seconds", "One grouped write", registry=r)
        self.write_failures = Counter("kioskwire_database_write_failures", "Grouped writes that failed", registry=r)
        self.updates_running = Gauge("kioskwire_updates_running", "Downloads under way", registry=r)
        self.updates_bytes = Counter("kioskwire_updates_bytes", "Bytes of new versions given away", registry=r)
        self.updates_refused = Counter("kioskwire_updates_refused", "Downloads put off: too many", registry=r)
        self.rollouts_held = Counter("kioskwire_rollouts_held", "Rollouts that the hub paused itself", registry=r)
        self.alerts = Gauge("kioskwire_alerts_standing", "Alerts not cleared", ["kind", "severity"], registry=r)
        self.notices = Counter(
            "kioskwire_alert_notices",
            "Notices of alerts, by way of telling and result",
            ["channel", "result"],
            registry=r,
        )
        self.loop_lag = Gauge("kioskwire_event_loop_lag_seconds", "How late the event loop last woke", registry=r)
        self.tasks = Gauge("kioskwire_event_loop_tasks", "Tasks of the event loop", registry=r)
        self.telegram_calls = Counter(
            "kioskwire_telegram_calls", "Calls of the Bot API, by result", ["result"], registry=r
        )
        self.telegram_updates = Counter(
            "kioskwire_telegram_updates", "What the bot was told, by what became of it", ["result"], registry=r
        )
        self.telegram_connected = Gauge("kioskwire_telegram_connected", "1 while the bot hears Telegram", registry=r)
        # Of the fleet as a whole: a series for each of 10,000 kiosks would cost whoever scrapes more than it tells.
        self.registered = Gauge("kioskwire_kiosks_registered", "Kiosks registered and let in", registry=r)
        self.versions = Gauge("kioskwire_kiosks_by_version", "Kiosks here, by their version", ["version"], registry=r)
        self.devices = Gauge(
            "kioskwire_kiosk_devices", "Devices of kiosks that are here, by state", ["state"], registry=r
        )
        self.in_trouble = Gauge(
            "kioskwire_kiosks_in_trouble", "Kiosks here with a device that is absent or at fault", registry=r
        )
        self.flapping = Gauge(
            "kioskwire_kiosks_flapping",
            "Kiosks whose connection broke off four times or more within ten minutes",
            registry=r,
        )
        self.unknown = Gauge("kioskwire_operations_unknown", "Operations nobody knows the outcome of", registry=r)
        self.unsettled = Gauge(
            "kioskwire_operations_unsettled", "Of them, and of those too late for their callers", registry=r
        )
        self.telemetry = Counter(
            "kioskwire_telemetry_pushes", "Pushes of these figures elsewhere, by result", ["result"], registry=r
        )
        self.telemetry_waiting = Gauge(
            "kioskwire_telemetry_waiting", "Sets of figures that wait to be pushed", registry=r
        )
        self.telemetry_failing = Gauge("kioskwire_telemetry_failing", "1 while pushes do not get through", registry=r)
        self._add_hubs()
        self.http = Counter("kioskwire_http_requests", "HTTP requests answered", ["status"], registry=r)

    def _add_hubs(self) -> None:
        """Of this hub, and of what it and others have to do with each other."""
        r = self.registry
        hub = Gauge("kioskwire_hub", "The running hub", ["version"], registry=r)
        hub.labels(VERSION).set(1)
        self.bus_up = Gauge("kioskwire_bus_up", "1 while this hub and others hear each other", registry=r)
        self.bus_hubs = Gauge("kioskwire_bus_hubs", "Other hubs that live", registry=r)
        self.elsewhere = Gauge("kioskwire_kiosks_elsewhere", "Kiosks whose socket another hub holds", registry=r)
        self.carrying = Gauge("kioskwire_operations_carrying", "Operations of other hubs at kiosks here", registry=r)
        self.carried = Counter("kioskwire_operations_carried", "Of them, those put on a socket here", registry=r)
        self.given = Counter(
            "kioskwire_operations_given",
            "Operations given to the hub that has their kiosk, repetitions too",
            registry=r,
        )
        self.bus_connections = Counter("kioskwire_bus_connections", "Times the bus began to work", registry=r)
        self.bus_messages = Counter("kioskwire_bus_messages", "Messages between hubs", ["direction"], registry=r)
        self.bus_lost = Counter(
            "kioskwire_bus_messages_lost", "Messages to other hubs that got nowhere, by why", ["reason"], registry=r
        )
        self.bus_malformed = Counter("kioskwire_bus_malformed_messages", "Of them, nobody could read", registry=r)
        self.bus_seconds = Histogram(
            "kioskwire_bus_seconds", "From a hub through Redis back to itself", buckets=_LATENCY, registry=r
        )

    def text(self) -> bytes:
        """The present values in Prometheus' text format."""
        return generate_latest(self.registry)
