"""The handler of `/admin/operations`: what a person found out."""

from typing import Annotated, Literal

import msgspec

from cloud.operations.by_hand import WHY_MAX
from cloud.web.admin import AdminHandler
from cloud.web.operations import read_request_id
from wire.problems import Outcome


class Resolve(msgspec.Struct, forbid_unknown_fields=True):
    """Body of POST /admin/operations/{request_id}/resolve."""

    state: Annotated[
        Literal["succeeded", "failed"],
        msgspec.Meta(description="succeeded: it was executed; failed: it was not, and never will be."),
    ]
    why: Annotated[
        str, msgspec.Meta(min_length=1, max_length=WHY_MAX, description="How that was found out. The backend sees it.")
    ]


class ResolveHandler(AdminHandler):
    """POST /admin/operations/{request_id}/resolve: settle an operation whose outcome is unknown."""

    refused_outcome = Outcome.UNKNOWN  # that it cannot be settled says nothing of its effect

    async def post(self, request_id: str) -> None:
        """Answer with the operation as it is from now on."""
        wanted = self.read(Resolve)
        by = f"admin {self.request.remote_ip}"
        resolving = self.services.resolving
        operation = await resolving.resolve(read_request_id(request_id), wanted.state, by, wanted.why)
        self.log_act("operation settled by hand", request_id=request_id, state=wanted.state)
        await self.note(
            "operation.resolve", operation.request_id, state=wanted.state, why=wanted.why, kiosk=operation.kiosk_id
        )
        self.answer(await resolving.record(operation))
