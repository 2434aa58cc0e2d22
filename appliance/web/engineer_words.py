"""What the engineer's pages say: language → key → sentence. Pure."""

from collections.abc import Mapping

from appliance.web.engineer_words_en import WORDS as _EN
from appliance.web.engineer_words_kk import WORDS as _KK
from appliance.web.engineer_words_ru import WORDS as _RU

WORDS: Mapping[str, Mapping[str, str]] = {"kk": _KK, "ru": _RU, "en": _EN}
