"""Actions in their order, and when the line is free of them."""

from hardware.escpos.outgoing import Outgoing
from hardware.protocol import Finish, Send


def test_actions_come_out_in_order_and_once() -> None:
    out = Outgoing(0)
    out.send(b"a", 0)
    out.act(Finish(1))
    assert out.take() == [Send(b"a"), Finish(1)]
    assert out.take() == []


def test_what_is_sent_stands_behind_what_is_on_its_way() -> None:
    out = Outgoing(0.1)
    out.send(bytes(10), 5)
    out.send(bytes(10), 5.5)
    assert out.free_at == 7
    out.send(bytes(10), 10)
    assert out.free_at == 11
