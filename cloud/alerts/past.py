"""Alerts that are over, for who looks back. Reads only."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from cloud.alerts.alert import Alert
from cloud.alerts.memory import alerts_of
from cloud.db.tables import alerts

_AT_ONCE_MAX = 200


class PastAlerts:
    """The cleared ones, as long as they are kept."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(self, *, kiosk_id: str = "", before: int | None = None, limit: int = 50) -> list[Alert]:
        """The ones that were raised last first; `before` is the number of the last one of the page before.

        `kiosk_id` asks for those of one kiosk.

        What cannot be read is left out. Raises SQLAlchemyError, OSError.
        """
        c = alerts.c
        statement = select(alerts).where(c.cleared_at.is_not(None)).order_by(c.number.desc())
        if kiosk_id:
            statement = statement.where(c.kiosk_id == kiosk_id)
        if before is not None:
            statement = statement.where(c.number < before)
        async with self._engine.connect() as connection:
            return alerts_of(await connection.execute(statement.limit(min(limit, _AT_ONCE_MAX))))
