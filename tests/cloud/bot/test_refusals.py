"""Why a service refused, in the reader's language."""

from cloud.bot.refusals import why
from cloud.bot.texts import Texts
from cloud.errors import Refused
from cloud.operations.operation import State

SAY = Texts()


def test_what_is_known_is_said_in_the_readers_language() -> None:
    begins = Refused("conflict", "its kiosk may still begin it", fact="may-begin", seconds=90)
    assert why(SAY, "ru", begins).startswith("киоск ещё 1 мин 30 с может начать её")
    assert "for 1 min 30 s from now" in why(SAY, "en", begins)
    ended = Refused("conflict", "it is known", fact="has-ended", state=State.SUCCEEDED)
    assert why(SAY, "ru", ended) == f"уже известно, чем она кончилась: {SAY('ru', 'kiosks.op_succeeded')}."
    exists = Refused("conflict", "kiosk <k> exists already", fact="kiosk-exists", kiosk="<k>")
    assert why(SAY, "ru", exists) == "киоск &lt;k&gt; уже есть."


def test_the_rest_stays_as_the_service_says_it() -> None:
    assert why(SAY, "ru", Refused("conflict", "not <now>")) == "not &lt;now&gt;"
    assert why(SAY, "ru", Refused("conflict", "not now", fact="of-another-hub")) == "not now"
