"""One kiosk by its own figures: rows of panels."""

from boards.panels import KIOSK, YES_NO, Panel, above, below, lines, quantile, rate, stat, table, timeline


def kiosk() -> list[tuple[str, list[Panel]]]:
    """One kiosk, by its own figures."""
    k = KIOSK
    yes_no = {"defaults": {"mappings": YES_NO}}
    return [
        (
            "At a glance",
            [
                stat(
                    "Connected to the hub",
                    "Whether the hub has welcomed it.",
                    f"kioskwire_connected{{{k}}}",
                    "bool_yes_no",
                    below(1),
                    **yes_no,
                ),
                stat(
                    "Journal can be written",
                    "Without it no operation is begun.",
                    f"kioskwire_journal_usable{{{k}}}",
                    "bool_yes_no",
                    below(1),
                    **yes_no,
                ),
                stat(
                    "Devices down",
                    "Absent or at fault.",
                    f"count(kioskwire_device_up{{{k}}} == 0) or vector(0)",
                    steps=above(1),
                ),
                stat(
                    "Unsettled outcomes",
                    "The kiosk knows them, the hub does not yet.",
                    f"kioskwire_unsettled{{{k}}}",
                    steps=above(1, 20),
                ),
                stat(
                    "Clock",
                    "The hub's clock less the kiosk's.",
                    f"kioskwire_clock_offset_seconds{{{k}}}",
                    "s",
                    above(30, 60),
                ),
                stat("Running for", "Since the program started.", f"kioskwire_uptime_seconds{{{k}}}", "dtdurations"),
            ],
        ),
        (
            "Operations",
            [
                lines(
                    "Outcomes",
                    "Per minute, by whether it was executed and what the problem was.",
                    "opm",
                    (f"60 * {rate('kioskwire_operations_total', k, 'executed, problem')}", "{{executed}} {{problem}}"),
                    stacked=True,
                ),
                lines(
                    "Gateways",
                    "95 of 100 calls took so long, by route.",
                    "s",
                    (quantile(0.95, "kioskwire_gateway_seconds", k, "route"), "{{route}}"),
                ),
                lines(
                    "Waiting for a turn",
                    "95 of 100 operations waited so long, by route.",
                    "s",
                    (quantile(0.95, "kioskwire_waited_seconds", k, "route"), "{{route}}"),
                ),
                lines(
                    "Under way",
                    "Operations that wait, that are at their gateway, and whose gateway is asked what became.",
                    "short",
                    (f"kioskwire_operations_waiting{{{k}}}", "waiting"),
                    (f"kioskwire_operations_running{{{k}}}", "running"),
                    (f"kioskwire_operations_in_doubt{{{k}}}", "in doubt"),
                ),
                lines(
                    "Repeated requests",
                    "Answered from memory per minute: nothing was executed twice.",
                    "cpm",
                    (f"60 * {rate('kioskwire_requests_repeated_total', k)}", "repeated"),
                ),
                lines(
                    "For the hub",
                    "Outcomes and events it does not have yet.",
                    "short",
                    (f"kioskwire_unsettled{{{k}}}", "outcomes"),
                    (f"kioskwire_events_waiting{{{k}}}", "events"),
                ),
            ],
        ),
        (
            "Devices",
            [
                timeline(
                    "Devices in order",
                    "By device: whether it answers and is in order.",
                    f"kioskwire_device_up{{{k}}}",
                    "{{device}}",
                ),
                table(
                    "States now",
                    "What each device is doing.",
                    "short",
                    (f"kioskwire_device_state{{{k}}} == 1", "{{device}} {{state}}"),
                    height=8,
                ),
                lines(
                    "Left alone",
                    "1 while a device failed so often that it is left alone for a time.",
                    "short",
                    (f"max by (device) (kioskwire_device_circuit_open{{{k}}})", "{{device}}"),
                ),
                lines(
                    "Noise on the line",
                    "Bytes per minute that made no sense: a bad cable, an adapter, a neighbour's motor.",
                    "short",
                    (f"60 * {rate('kioskwire_device_skipped_bytes_total', k, 'device')}", "{{device}}"),
                ),
                lines(
                    "Said again",
                    "Frames per minute that had to be repeated.",
                    "cpm",
                    (f"60 * {rate('kioskwire_device_repeats_total', k, 'device')}", "{{device}}"),
                ),
            ],
        ),
        (
            "The line and the box",
            [
                timeline("Connection", "When the hub was there.", f"kioskwire_connected{{{k}}}", "hub", height=4),
                lines(
                    "Connecting",
                    "Connections welcomed, attempts that failed, and messages dropped as the line was too slow, "
                    "per minute.",
                    "cpm",
                    (f"60 * {rate('kioskwire_connects_total', k)}", "welcomed"),
                    (f"60 * {rate('kioskwire_connect_failures_total', k)}", "failed"),
                    (f"60 * {rate('kioskwire_messages_not_sent_total', k)}", "not sent"),
                ),
                lines(
                    "Event loop",
                    "How late the program's only loop woke at worst within a minute: a slow disk or processor.",
                    "s",
                    (f"kioskwire_loop_lag_seconds{{{k}}}", "lag"),
                ),
                lines(
                    "Journal",
                    "Bytes in use. It is emptied as the hub takes what is in it.",
                    "bytes",
                    (f"kioskwire_journal_bytes{{{k}}}", "journal"),
                ),
                lines(
                    "Clock",
                    "The hub's clock less the kiosk's.",
                    "s",
                    (f"kioskwire_clock_offset_seconds{{{k}}}", "offset"),
                    signed=True,
                ),
                table(
                    "Version",
                    "What runs, and whether it has yet to prove itself.",
                    "short",
                    (f"max by (version) (kioskwire_appliance{{{k}}})", "{{version}}"),
                    height=6,
                ),
                lines(
                    "Updates",
                    "Those that did not come about, per hour, by why; and whether a version is on trial.",
                    "short",
                    (f"sum by (kind) (increase(kioskwire_update_troubles_total{{{k}}}[1h]))", "{{kind}}"),
                    (f"kioskwire_update_on_trial{{{k}}}", "on trial"),
                    height=6,
                ),
            ],
        ),
    ]
