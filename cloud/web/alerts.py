"""Handlers of `/admin/alerts`: what is wrong just now, and that somebody has taken note."""

import re

from cloud.alerts.alert import Alert, Mute
from cloud.alerts.words import say_alert
from cloud.errors import Refused
from cloud.kiosks.shown import when
from cloud.web.admin import AdminHandler

_SHOWN_MAX = 1000
_NUMBER = re.compile(r"[0-9]{1,10}")


class AlertsHandler(AdminHandler):
    """/admin/alerts"""

    async def get(self) -> None:
        """What stands, the newest first, and what is muted."""
        alerts = self.services.alerts
        standing = alerts.standing()
        self.answer(
            {
                "total": len(standing),
                "alerts": [show_alert(alert) for alert in standing[::-1][:_SHOWN_MAX]],
                "mutes": [show_mute(mute) for mute in alerts.mutes()],
            }
        )


class AcknowledgeHandler(AdminHandler):
    """POST /admin/alerts/{number}/acknowledge: told again and escalated no more."""

    async def post(self, number: str) -> None:
        """Answer with the alert as it is from now on."""
        alerts = self.services.alerts
        if _NUMBER.fullmatch(number):
            count = await alerts.acknowledge([int(number)], f"admin {self.request.remote_ip}")
            found = next((alert for alert in alerts.standing() if alert.number == int(number)), None)
            if found is not None:
                if count:
                    self.log_act("alert acknowledged", number=int(number))
                    await self.note("alert.acknowledge", number, kiosk=found.kiosk_id, kind=found.kind)
                self.answer(show_alert(found))
                return
        raise Refused("not-found", f"no alert {number[:20]} stands")


def show_alert(alert: Alert) -> dict[str, object]:
    """An alert as the API has it."""
    return {
        "number": alert.number,
        "kind": alert.kind,
        "kiosk": alert.kiosk_id or None,
        "subject": alert.subject,
        "severity": alert.severity,
        "words": say_alert(alert),
        "since": when(alert.since),
        "raised_at": when(alert.raised_at),
        "gone_at": _or_null(alert.gone_at),
        "escalated_at": _or_null(alert.escalated_at),
        "acknowledged_at": _or_null(alert.acknowledged_at),
        "acknowledged_by": alert.acknowledged_by,
        "data": alert.data,
    }


def show_mute(mute: Mute) -> dict[str, object]:
    """A mute as the API has it."""
    return {"scope": mute.scope, "until": when(mute.until), "at": when(mute.at), "by": mute.by}


def _or_null(at: float | None) -> str | None:
    return None if at is None else when(at)
