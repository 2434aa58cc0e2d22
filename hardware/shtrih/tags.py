"""TLV of the fiscal storage: tag and length of two bytes each, low first; texts in CP866.

The names are those of the Federal Tax Service's fiscal document formats (order ЕД-7-20/662@); only tags that kiosks
meet are named, others are shown by number.
"""

from collections.abc import Iterator

_TEXT, _NUMBER, _TIME, _BYTES, _GROUP, _FLOAT = "text", "number", "time", "bytes", "group", "float"

GROUPS_DEEP = 4  # as deep as documents nest them, and one more

NAMES: dict[int, tuple[str, str]] = {
    1000: ("document_name", _TEXT),
    1001: ("automatic", _NUMBER),
    1002: ("offline", _NUMBER),
    1005: ("transfer_operator_address", _TEXT),
    1008: ("customer_contact", _TEXT),
    1009: ("address", _TEXT),
    1012: ("time", _TIME),
    1013: ("register_serial", _TEXT),
    1016: ("transfer_operator_inn", _TEXT),
    1017: ("data_operator_inn", _TEXT),
    1018: ("owner_inn", _TEXT),
    1020: ("total", _NUMBER),
    1021: ("cashier", _TEXT),
    1023: ("quantity", _FLOAT),
    1026: ("transfer_operator_name", _TEXT),
    1030: ("item_name", _TEXT),
    1031: ("cash", _NUMBER),
    1036: ("machine_number", _TEXT),
    1037: ("registration", _TEXT),
    1038: ("shift", _NUMBER),
    1040: ("fd", _NUMBER),
    1041: ("storage", _TEXT),
    1042: ("receipt", _NUMBER),
    1043: ("item_total", _NUMBER),
    1044: ("agent_operation", _TEXT),
    1046: ("data_operator_name", _TEXT),
    1048: ("owner", _TEXT),
    1050: ("storage_worn", _NUMBER),
    1051: ("storage_replace", _NUMBER),
    1052: ("storage_full", _NUMBER),
    1053: ("data_operator_late", _NUMBER),
    1054: ("settlement_sign", _NUMBER),
    1055: ("tax_system", _NUMBER),
    1056: ("encryption", _NUMBER),
    1057: ("agent", _NUMBER),
    1059: ("item", _GROUP),
    1060: ("tax_service_site", _TEXT),
    1062: ("tax_systems", _NUMBER),
    1073: ("agent_phone", _TEXT),
    1074: ("payment_operator_phone", _TEXT),
    1075: ("transfer_operator_phone", _TEXT),
    1077: ("sign", _BYTES),
    1079: ("price", _NUMBER),
    1081: ("electronic", _NUMBER),
    1084: ("user_attribute", _GROUP),
    1085: ("user_attribute_name", _TEXT),
    1086: ("user_attribute_value", _TEXT),
    1097: ("unsent", _NUMBER),
    1098: ("unsent_since", _TIME),
    1102: ("tax_20", _NUMBER),
    1103: ("tax_10", _NUMBER),
    1104: ("turnover_0", _NUMBER),
    1105: ("turnover_none", _NUMBER),
    1106: ("tax_20_of_120", _NUMBER),
    1107: ("tax_10_of_110", _NUMBER),
    1108: ("internet_only", _NUMBER),
    1109: ("services", _NUMBER),
    1110: ("strict_forms", _NUMBER),
    1111: ("documents_in_shift", _NUMBER),
    1117: ("sender_email", _TEXT),
    1118: ("receipts_in_shift", _NUMBER),
    1162: ("item_code", _BYTES),
    1171: ("supplier_phone", _TEXT),
    1173: ("correction_type", _NUMBER),
    1174: ("correction_ground", _GROUP),
    1177: ("correction_ground_words", _TEXT),
    1178: ("correction_date", _TIME),
    1179: ("correction_number", _TEXT),
    1187: ("place", _TEXT),
    1188: ("register_version", _TEXT),
    1189: ("register_format", _NUMBER),
    1190: ("storage_format", _NUMBER),
    1191: ("item_attribute", _TEXT),
    1192: ("receipt_attribute", _TEXT),
    1193: ("gambling", _NUMBER),
    1197: ("unit", _TEXT),
    1199: ("tax_rate", _NUMBER),
    1200: ("item_tax", _NUMBER),
    1203: ("cashier_inn", _TEXT),
    1209: ("format", _NUMBER),
    1212: ("subject", _NUMBER),
    1214: ("method", _NUMBER),
    1215: ("prepaid", _NUMBER),
    1216: ("credit", _NUMBER),
    1217: ("other", _NUMBER),
    1222: ("item_agent", _NUMBER),
    1224: ("supplier", _GROUP),
    1225: ("supplier_name", _TEXT),
    1226: ("supplier_inn", _TEXT),
    1227: ("buyer", _TEXT),
    1228: ("buyer_inn", _TEXT),
    2108: ("unit_code", _NUMBER),
}


def tlv(tag: int, value: bytes) -> bytes:
    """One tag."""
    return tag.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value


def tlv_text(tag: int, value: str) -> bytes:
    """One tag with a text; raises `UnicodeEncodeError` for letters CP866 lacks."""
    return tlv(tag, value.encode("cp866"))


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and values; ends at the first that is not whole, which `left_over` gives."""
    at = 0
    while at + 4 <= len(data):
        tag = int.from_bytes(data[at : at + 2], "little")
        length = int.from_bytes(data[at + 2 : at + 4], "little")
        if at + 4 + length > len(data):
            return
        yield tag, data[at + 4 : at + 4 + length]
        at += 4 + length


def left_over(data: bytes) -> bytes:
    """What stands behind the last whole tag."""
    return data[sum(4 + len(value) for _, value in split(data)) :]


def show(data: bytes, depth: int = 0) -> object:
    """TLV as data: a list of tags in their order, each with its number, name and value."""
    found: list[dict[str, object]] = []
    for tag, value in split(data):
        name, kind = NAMES.get(tag, ("", _BYTES))
        found.append({"tag": tag, "name": name, "value": _value(kind, value, depth)})
    if rest := left_over(data):
        found.append({"tag": None, "name": "", "value": rest.hex().upper()})
    return found


def _value(kind: str, value: bytes, depth: int) -> object:
    match kind:
        case "text":
            return value.decode("cp866").rstrip(" \0")
        case "number" | "time":
            return int.from_bytes(value, "little")
        case "float":  # one byte says how many digits stand behind the point
            return {"units": int.from_bytes(value[1:], "little"), "digits": value[0]} if value else None
        case "group" if depth < GROUPS_DEEP:
            return show(value, depth + 1)
        case _:
            return value.hex().upper()
