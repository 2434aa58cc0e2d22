"""What shows on paper whether a printer is set up right. Pure."""

from hardware.slip import Cut, Feed, QrCode, Slip, Text


def make_test_slip(*, qr: bool = True, kazakh: bool = True) -> Slip:
    """Every letter, sizes, a code, the knife."""
    letters = (Text(text="Қазақша: ӘҒҚҢӨҰҮҺІ әғқңөұүһі"),) if kazakh else ()
    code = (QrCode(content="https://example.com/kioskwire-test", module=5),) if qr else ()
    return Slip(
        (
            Text(text="KIOSKWIRE TEST", bold=True, width=2, height=2),
            Text(text="This is no fiscal document"),
            Text(text="Не фискальный документ"),
            Text(text="АБВГДЕЁЖЗИЙКЛМНОПРСТ"),
            Text(text="УФХЦЧШЩЪЫЬЭЮЯ"),
            Text(text="абвгдеёжзийклмнопрст"),
            Text(text="уфхцчшщъыьэюя"),
            *letters,
            *code,
            Feed(lines=3),
            Cut(),
        )
    )
