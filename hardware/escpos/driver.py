"""The receipt printer's role on a link: settings in words, nothing of bytes."""

from collections.abc import Mapping

from hardware.errors import DeviceFault, OutcomeUnknown, TransportError
from hardware.escpos.codepages import STAND_INS, MissingLetter, known_letters, runs
from hardware.escpos.orders import AwaitReady, Print, ReadStatus, Settings
from hardware.escpos.profiles import profile
from hardware.escpos.protocol import EscposProtocol
from hardware.escpos.render import BLOCK_BYTES, MISSING
from hardware.events import DeviceState
from hardware.journal import DeviceJournal
from hardware.link import Link
from hardware.ports import LineSettings
from hardware.protocol import Memory
from hardware.roles import Paper, PrinterStatus, ReceiptPrinter, Status
from hardware.slip import Slip
from hardware.trace import Trace

BAUDS = (4800, 9600, 19200, 38400, 57600, 115200)
STATUSES = ("full", "realtime", "none")
BLOCK_S = 0.4  # on a serial line; a question waits so long behind a block
BLOCK_LEAST = 128
PRINT_S = 300.0  # above what the protocol's own limits come to for the longest slip
STATUS_S = 15.0


class EscposPrinter(ReceiptPrinter):
    """An ESC/POS printer.

    Args:
        name: what the owner calls it.
        url: `/dev/…`, or `tcp://host:9100`.
        journal: its page.
        baud, flow: of a serial line; `flow` is dsrdtr, xonxoff, rtscts or "".
        model: of `profiles.PROFILES`.
        status: what it answers. "realtime" (DLE EOT, but not GS r) and "none" print without ever being confirmed:
            every slip ends in `OutcomeUnknown` and `SlipUnclear`, for nothing else would be true.
        automatic_status: have it tell changes unasked, too (GS a).
        missing: "transliterate" letters it lacks, or "refuse" the slip.
        code_pages: number for ESC t → page, the preferred first, where the printer's differ from its model's.
        columns, dots: letters and dots in a line, where they differ.
        copy_words: stands above and below a copy.
        poll_s: how often it is asked how it is while nothing is printed.
        restart_s: no printer of this kind is back sooner than so after a loss of power.
        trace: of every byte.

    Raises:
        ValueError: a setting cannot be; says which.
    """

    def __init__(
        self,
        name: str,
        url: str,
        journal: DeviceJournal,
        *,
        baud: int = 9600,
        flow: str = "dsrdtr",
        model: str = "generic",
        status: str = "full",
        automatic_status: bool = False,
        missing: str = "transliterate",
        code_pages: Mapping[int, str] | None = None,
        columns: int | None = None,
        dots: int | None = None,
        presenter: bool | None = None,
        copy_words: str = "КОПИЯ",
        poll_s: float = 1.0,
        confirm_s: float = 15.0,
        restart_s: float = 3.0,
        trace: Trace | None = None,
    ) -> None:
        for what, value, known in (("status", status, STATUSES), ("missing", missing, MISSING), ("baud", baud, BAUDS)):
            if value not in known:
                raise ValueError(f"{what} is one of {', '.join(map(str, known))}, not {value!r}")
        chosen = profile(model, code_pages=code_pages, columns=columns, dots=dots, presenter=presenter)
        try:
            runs(copy_words, chosen.pages)
        except MissingLetter as error:
            raise ValueError(f"copy_words: {error}") from None
        byte_s = 0.0 if url.startswith("tcp:") else 10 / baud
        settings = Settings(
            profile=chosen,
            status=status,
            automatic=automatic_status,
            missing=missing,
            copy_words=copy_words,
            poll_s=poll_s,
            confirm_s=confirm_s,
            restart_s=restart_s,
            block_bytes=max(min(BLOCK_BYTES, int(BLOCK_S / byte_s)), BLOCK_LEAST) if byte_s else BLOCK_BYTES,
            byte_s=byte_s,
        )
        self._name = name
        has = known_letters(chosen.pages.values())
        lacks = {letter: other for letter, other in STAND_INS.items() if letter not in has}
        self._paper = Paper(chosen.columns, lacks if missing == "transliterate" else {})

        def protocol(memories: Mapping[str, Memory]) -> EscposProtocol:
            return EscposProtocol(memories[""], settings)

        self._link: Link[EscposProtocol] = Link(
            name=name,
            url=url,
            line=LineSettings(baud=baud, flow=flow),
            protocol=protocol,
            journals={"": journal},
            wrap=None if trace is None else trace.wrap,
        )

    @property
    def name(self) -> str:
        return self._name

    async def open(self) -> None:
        await self._link.open()

    async def close(self) -> None:
        await self._link.close()

    @property
    def paper(self) -> Paper:
        return self._paper

    @property
    def status(self) -> Status:
        try:
            return self._link.protocol.status
        except TransportError:
            return Status(state=DeviceState.ABSENT, words="not opened")

    @property
    def failed(self) -> str:
        return self._link.failed

    async def ready(self, timeout_s: float) -> None:
        try:
            await self._link.call(AwaitReady(), what=f"{self._name}: wait", timeout_s=timeout_s)
        except OutcomeUnknown:
            status = self.status
            if status.state is DeviceState.FAULT:
                raise DeviceFault(status.code, status.words) from None
            words = status.words or "it answers and is still being made ready for a slip"
            raise TransportError(f"{self._name}: {words} ({status.state})") from None

    async def read_status(self) -> PrinterStatus:
        try:
            answer = await self._link.call(ReadStatus(), what=f"{self._name}: how it is", timeout_s=STATUS_S)
        except OutcomeUnknown:
            raise TransportError(f"{self._name}: {self.status.words or 'no answer'}") from None
        if not isinstance(answer, PrinterStatus):
            raise TypeError(f"{self._name}: a status came back as {answer!r}")
        return answer

    async def print_slip(self, slip: Slip, reference: str, *, copy: bool = False) -> None:
        await self._link.call(
            Print(slip, reference, copy), what=f"{self._name}: print the slip {reference}", timeout_s=PRINT_S
        )
