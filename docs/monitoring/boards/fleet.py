"""All kiosks: rows of panels."""

from boards.panels import HUB, KIOSKS, Panel, above, bars, below, lines, rate, stat, table


def fleet() -> list[tuple[str, list[Panel]]]:
    """All kiosks of a hub; below, what kiosks tell whose own figures are gathered."""
    h = HUB
    return [
        (
            "At a glance",
            [
                stat("Connected", "Kiosks that are here.", f"sum(kioskwire_kiosks_connected{{{h}}})", steps=below(1)),
                stat(
                    "Not here",
                    "Kiosks registered and let in that are not connected. New ones that never came count too.",
                    f"sum(max by (fleet) (kioskwire_kiosks_registered{{{h}}}))"
                    f" - sum(kioskwire_kiosks_connected{{{h}}})",
                    steps=above(1, 10),
                ),
                stat(
                    "Devices in trouble",
                    "Kiosks here with a device that is absent or at fault.",
                    f"sum(kioskwire_kiosks_in_trouble{{{h}}})",
                    steps=above(1, 5),
                ),
                stat(
                    "Flapping",
                    "Connections that broke off four times or more within ten minutes: a bad line, power or SIM card.",
                    f"sum(max by (fleet) (kioskwire_kiosks_flapping{{{h}}}))",
                    steps=above(1, 5),
                ),
                stat(
                    "Two boxes",
                    "Kiosks with whose identity two boxes were seen: a disk was copied.",
                    f"sum(kioskwire_kiosks_duplicated{{{h}}})",
                    steps=above(1),
                ),
                stat(
                    "Rollouts held",
                    "Rollouts that the hub paused by itself within a day.",
                    f"sum(increase(kioskwire_rollouts_held_total{{{h}}}[1d]))",
                    steps=above(1),
                ),
            ],
        ),
        (
            "Versions and updates",
            [
                bars(
                    "Versions now",
                    "Kiosks here, by version. v1 are clients of the first dialect.",
                    "short",
                    f"sum by (version) (kioskwire_kiosks_by_version{{{h}}})",
                    "{{version}}",
                ),
                lines(
                    "Versions",
                    "Kiosks here, by version: how a rollout goes.",
                    "short",
                    (f"sum by (version) (kioskwire_kiosks_by_version{{{h}}})", "{{version}}"),
                    stacked=True,
                ),
                lines(
                    "Downloads",
                    "Bytes of new versions given away per second.",
                    "Bps",
                    (rate("kioskwire_updates_bytes_total", h), "bytes a second"),
                ),
                lines(
                    "Downloads under way",
                    "And how many were put off per minute, as too many ran.",
                    "short",
                    (f"sum(kioskwire_updates_running{{{h}}})", "under way"),
                    (f"60 * {rate('kioskwire_updates_refused_total', h)}", "put off a minute"),
                ),
            ],
        ),
        (
            "Devices",
            [
                bars(
                    "Devices by state",
                    "Of kiosks here, as they told last.",
                    "short",
                    f"sum by (state) (kioskwire_kiosk_devices{{{h}}})",
                    "{{state}}",
                ),
                lines(
                    "Kiosks with a device in trouble",
                    "Absent or at fault.",
                    "short",
                    (f"sum(kioskwire_kiosks_in_trouble{{{h}}})", "kiosks"),
                ),
            ],
        ),
        (
            "Connections",
            [
                lines(
                    "Here and registered",
                    "A step down is a network or a hub; a slope is wear.",
                    "short",
                    (f"sum(kioskwire_kiosks_connected{{{h}}})", "connected"),
                    (f"sum(max by (fleet) (kioskwire_kiosks_registered{{{h}}}))", "registered"),
                ),
                lines(
                    "Flapping",
                    "Kiosks whose connection broke off four times or more within ten minutes.",
                    "short",
                    (f"sum(max by (fleet) (kioskwire_kiosks_flapping{{{h}}}))", "kiosks"),
                ),
                lines(
                    "Ended, by why",
                    "Per minute. lost: without a goodbye; silent: no pong; replaced: came anew; numbers are "
                    "WebSocket close codes.",
                    "cpm",
                    (f"60 * {rate('kioskwire_kiosk_disconnects_total', h, 'reason')}", "{{reason}}"),
                    stacked=True,
                ),
                lines(
                    "Refused and enrolled",
                    "Sockets refused by close code, and enrolment codes by result, per minute.",
                    "cpm",
                    (f"60 * {rate('kioskwire_kiosk_refusals_total', h, 'code')}", "refused: {{code}}"),
                    (f"60 * {rate('kioskwire_enrolments_total', h, 'result')}", "code: {{result}}"),
                ),
                lines(
                    "Events stored",
                    "What kiosks tell, per second.",
                    "cps",
                    (rate("kioskwire_kiosk_events_total", h), "events"),
                ),
                lines(
                    "Not understood",
                    "Messages per minute that nobody could read, and outcomes put off.",
                    "cpm",
                    (f"60 * {rate('kioskwire_kiosk_malformed_messages_total', h)}", "malformed"),
                    (f"60 * {rate('kioskwire_kiosk_outcomes_put_off_total', h)}", "put off"),
                ),
            ],
        ),
        (
            "Kiosks whose own figures are gathered",
            [
                bars(
                    "Unsettled outcomes, the ten most",
                    "Outcomes a kiosk has and the hub has not.",
                    "short",
                    f"topk(10, kioskwire_unsettled{{{KIOSKS}}})",
                    "{{kiosk}}",
                ),
                bars(
                    "Clock, the ten worst",
                    "How far a kiosk's clock is from the hub's.",
                    "s",
                    f"topk(10, abs(kioskwire_clock_offset_seconds{{{KIOSKS}}}))",
                    "{{kiosk}}",
                ),
                table(
                    "Devices that are down",
                    "Absent or at fault, by kiosk.",
                    "short",
                    (f"sum by (kiosk, device, role) (kioskwire_device_up{{{KIOSKS}}} == 0)", "{{kiosk}} {{device}}"),
                ),
                table(
                    "Updates that did not come about",
                    "Within a day, by kiosk and why.",
                    "short",
                    (
                        f"sum by (kiosk, kind) (increase(kioskwire_update_troubles_total{{{KIOSKS}}}[1d])) > 0",
                        "{{kiosk}}",
                    ),
                ),
            ],
        ),
    ]
