"""The owner's order to leave a device unused, kept in the journal until it is taken back."""

import msgspec

from appliance.journal import Book, Entry

_NO_DEVICE = "/service"  # behind a device's name, where no device's own page can be


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a device is to be used. `reason` is the owner's, for people; `at` Unix seconds, 0: never said."""

    in_service: bool = True
    reason: str = ""
    at: float = 0.0


def read_order(pages: Book, device: str) -> Order:
    """What stands in the journal."""
    return msgspec.convert(pages.page(device + _NO_DEVICE), Order)


def write_order(pages: Book, device: str, order: Order, *, nonce: int) -> None:
    """Put it there, and tell the hub. Once for each `nonce`: an order that comes again undoes no later one."""
    data = msgspec.to_builtins(order)
    entry = Entry(nonce=nonce, at=order.at, device=device, kind="service-ordered",
                  data=msgspec.Raw(msgspec.json.encode(data)))  # fmt: skip
    if pages.enter(entry):
        pages.put_page(device + _NO_DEVICE, data)
        del data["at"]
        pages.tell(entry.kind, data, at=order.at, device=device)
