"""Bug: a hub that gives its kiosk what it carries a second time, as if it were another request."""

import msgspec

from cloud.operations.carrying import Carrying
from cloud.operations.errands import Carry
from cloud.operations.request_id import new_request_id
from cloud.operations.settling import request_for

_carry = Carrying._carry
_STARTS_WITHIN = 5.0


def _carry_and_again(self: Carrying, owner: str, carry: Carry) -> None:
    _carry(self, owner, carry)
    link = self._links.get(carry.operation.kiosk_id)
    if link is not None and link.ready:
        request = msgspec.structs.replace(request_for(carry.operation), request_id=new_request_id())
        self._links.request(link, request, self._loop.time() + _STARTS_WITHIN, lasting=False)


Carrying._carry = _carry_and_again  # type: ignore[method-assign]
