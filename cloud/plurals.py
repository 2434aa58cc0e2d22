"""Words that go with numbers. Pure."""


def plural(language: str, count: float, *forms: str) -> str:
    """The form that goes with a number: two in English, three in Russian (1, 2, 5), in Kazakh one and the same.

    `plural("ru", 22, "киоск", "киоска", "киосков")` is «киоска».
    """
    if language == "kk" or len(forms) == 1:
        return forms[0]
    if language == "en":
        return forms[0 if count == 1 else 1]
    if count != int(count):
        return forms[1]
    tens, ones = abs(int(count)) % 100, abs(int(count)) % 10
    if ones == 1 and tens != 11:
        return forms[0]
    return forms[1] if 2 <= ones <= 4 and not 12 <= tens <= 14 else forms[2]
