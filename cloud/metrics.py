"""What Prometheus reads of the hub. One registry a hub, built by the entrance and handed to who counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

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
        self.duplicated = Gauge("kioskwire_kiosks_duplicated", "Kiosks with two boxes seen lately", registry=r)
        self.duplicates = Counter(
            "kioskwire_kiosk_duplicates", "Times a second box was seen with a kiosk's identity", registry=r
        )
        self.enrolments = Counter("kioskwire_enrolments", "Codes brought by kiosks, by result", ["result"], registry=r)
        self.malformed = Counter("kioskwire_kiosk_malformed_messages", "Messages nobody could read", registry=r)
        self.orphaned = Counter(
            "kioskwire_operations_orphaned", "Operations whose kiosk lost its journal before answering", registry=r
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
        self.loop_lag = Gauge("kioskwire_event_loop_lag_seconds", "How late the event loop last woke", registry=r)
        self.tasks = Gauge("kioskwire_event_loop_tasks", "Tasks of the event loop", registry=r)
        self.http = Counter("kioskwire_http_requests", "HTTP requests answered", ["status"], registry=r)

    def text(self) -> bytes:
        """The present values in Prometheus' text format."""
        return generate_latest(self.registry)
