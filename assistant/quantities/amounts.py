"""Numbers with a unit: percent, money, temperature, lengths, weights, volumes, areas, speeds, data."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from assistant.quantities.numbers import number_at, words_at
from assistant.quantities.tokens import Token, phrase_at, skip, word_at


@dataclass(frozen=True, slots=True)
class Amount:
    """`unit` by its English name in the singular ("square metre", "US dollar", "degree Celsius", "percent")."""

    kind: str  # percent | currency | temperature | dimension
    value: Fraction
    unit: str


_CURRENCIES: Final = {
    "dollar": ("dollar", "dollars", "$", "bucks", "buck"), "euro": ("euro", "euros", "€", "eur"),
    "pound": ("£", "gbp", "quid"), "US dollar": ("usd",), "Japanese yen": ("yen", "jpy", "¥"),
    "Chinese yuan": ("yuan", "renminbi", "rmb", "cny"), "Indian rupee": ("rupee", "rupees", "inr", "₹", "rs"),
    "Swiss franc": ("franc", "francs", "chf"), "cent": ("cent", "cents", "¢"), "penny": ("pence", "pennies"),
    "Mexican peso": ("peso", "pesos", "mxn"), "Russian ruble": ("ruble", "rubles", "roubles", "rub"),
    "South Korean won": ("won", "krw", "₩"), "German mark": ("marks",), "Swedish krona": ("kronor", "krona", "sek"),
    "Norwegian krone": ("kroner", "krone", "nok"), "Danish krone": ("dkk",), "Turkish lira": ("lira", "liras", "₺"),
    "Bitcoin": ("bitcoin", "bitcoins", "btc"), "Brazilian real": ("reais", "brl"), "Israeli shekel": ("shekel",
    "shekels", "ils", "₪"),
    "Polish zloty": ("zloty", "pln"), "Thai baht": ("baht", "thb", "฿"), "Spanish peseta": ("peseta", "pesetas"),
    "guilder": ("guilder", "guilders"), "Georgian lari": ("lari", "gel", "₾"), "Lao kip": ("kip", "lak", "₭"),
    "Ukrainian hryvnia": ("hryvnia", "uah", "₴"), "Vietnamese dong": ("vnd", "₫"),
    "Nigerian naira": ("naira", "ngn", "₦"),
    "Philippine peso": ("php", "₱"), "Czech koruna": ("koruna", "czk"),
    "Hungarian forint": ("forint", "forints", "huf"),
    "shilling": ("shilling", "shillings"), "riyal": ("riyal", "riyals"), "dinar": ("dinar", "dinars"),
    "dirham": ("dirham", "dirhams", "aed"), "South African rand": ("rand", "zar"), "drachma": ("drachma", "drachmas"),
    "escudo": ("escudo", "escudos"), "ruble": ("₽",), "Kazakhstani tenge": ("tenge", "₸"), "Ethereum": ("eth",),
}  # fmt: skip
_SIGNS: Final = frozenset("$€£¥₹₾₭₴₫₦₱₺₩₪₽₸฿")
_CODES: Final = frozenset(
    {
        "usd",
        "eur",
        "gbp",
        "rmb",
        "cny",
        "chf",
        "jpy",
        "inr",
        "mxn",
        "sek",
        "nok",
        "dkk",
        "pln",
        "czk",
        "huf",
        "zar",
        "thb",
        "krw",
        "brl",
        "aud",
        "cad",
    }
)
_NATIONS: Final = {
    "us": "US", "canadian": "Canadian", "australian": "Australian", "american": "US", "hong": "Hong Kong",
    "nz": "New Zealand", "swiss": "Swiss", "dutch": "Dutch", "mexican": "Mexican", "french": "French",
    "belgian": "Belgian",
    "german": "German", "spanish": "Spanish", "japanese": "Japanese", "chinese": "Chinese", "indian": "Indian",
    "irish": "Irish", "swedish": "Swedish", "danish": "Danish", "norwegian": "Norwegian", "egyptian": "Egyptian",
    "kenyan": "Kenyan", "saudi": "Saudi", "kuwaiti": "Kuwaiti", "jamaican": "Jamaican", "turkish": "Turkish",
    "greek": "Greek", "finnish": "Finnish", "austrian": "Austrian", "portuguese": "Portuguese", "italian": "Italian",
    "singapore": "Singapore", "british": "British", "c": "Canadian", "a": "Australian", "hk": "Hong Kong", "u": "US",
}  # fmt: skip
_DIMENSIONS: Final = {
    "metre": "m meter meters metre metres", "kilometre": "km kms kilometer kilometers kilometre kilometres k.m",
    "centimetre": "cm cms centimeter centimeters centimetre centimetres",
    "millimetre": "mm millimeter millimeters millimetre millimetres",
    "mile": "mi mile miles", "yard": "yd yds yard yards", "foot": "ft foot feet '", "inch": 'in inch inches " \'\'',
    "gram": "g gram grams gm gms gramme grammes", "kilogram": "kg kgs kilo kilos kilogram kilograms",
    "milligram": "mg mgs milligram milligrams", "microgram": "μg µg mcg ug microgram micrograms",
    "pound": "lb lbs pound pounds", "ounce": "oz ounce ounces", "stone": "stone stones", "ton": "ton tons",
    "tonne": "tonne tonnes",
    "litre": "l liter liters litre litres", "millilitre": "ml mls milliliter milliliters millilitre millilitres",
    "centilitre": "cl centiliter centiliters", "decilitre": "dl deciliter deciliters",
    "hectolitre": "hl hectolitre hectolitres hectoliter hectoliters",
    "gallon": "gal gals gallon gallons", "quart": "qt quart quarts", "pint": "pt pint pints", "cup": "cup cups",
    "tablespoon": "tbsp tablespoon tablespoons", "teaspoon": "tsp teaspoon teaspoons",
    "acre": "acre acres", "hectare": "ha hectare hectares", "square metre": "m2 sqm", "square kilometre": "km2",
    "byte": "b byte bytes", "kilobyte": "kb kilobyte kilobytes", "megabyte": "mb megabyte megabytes",
    "gigabyte": "gb gigabyte gigabytes", "terabyte": "tb terabyte terabytes", "bit": "bit bits",
    "megabit": "mbit megabit megabits",
    "kilowatt hour": "kwh", "watt": "w watt watts", "kilowatt": "kw kilowatt kilowatts", "volt": "v volt volts",
    "hertz": "hz hertz", "joule": "j joule joules", "calorie": "cal calorie calories", "kilocalorie": "kcal",
    "mile per hour": "mph", "kilometre per hour": "kph kmh", "knot": "knot knots", "barrel": "barrel barrels",
    "bushel": "bushel bushels",
    "nanometre": "nm", "decimetre": "dm", "light year": "lightyear", "bar": "bar", "pascal": "pa pascal pascals",
}  # fmt: skip
UNITS: Final = {word: unit for unit, words in _DIMENSIONS.items() for word in words.split()}
_MONEY: Final = {word: unit for unit, words in _CURRENCIES.items() for word in words}
_AREAL: Final = ("square", "sq", "cubic", "cu")
_CELSIUS: Final = frozenset({"c", "celsius", "centigrade", "centigrate", "celcius"})
_FAHRENHEIT: Final = frozenset({"f", "fahrenheit", "farenheit"})
_KELVIN: Final = frozenset({"k", "kelvin", "kelvins"})
_PERCENT: Final = frozenset({"%", "percent", "percents", "percentage", "percentages", "pct"})


def amount_at(tokens: list[Token], at: int) -> tuple[Amount, int] | None:
    """The number with its unit that stands there and where it ends."""
    if found := _money_first(tokens, at):
        return found
    number = number_at(tokens, at, suffixes=True)
    plain = number_at(tokens, at, suffixes=False)
    if number is None and word_at(tokens, at) in ("a", "an", "one"):
        plain = number = (Fraction(1), at + 1)
        unit = _dimension(tokens, at + 1)
        return (
            (Amount("dimension", Fraction(1), unit[0]), unit[1]) if unit and len(word_at(tokens, at + 1)) > 1 else None
        )
    for written in (plain, number):
        if written is None:
            continue
        value, end = written
        then = end + (word_at(tokens, end) == "-" and not word_at(tokens, end + 1)[:1].isdecimal())
        if result := _percent(tokens, then, value) or _temperature(tokens, then, value) or _money(tokens, then, value):
            return result
        if unit := _dimension(tokens, then):
            return _compound(tokens, Amount("dimension", value, unit[0]), unit[1])
    return None


def _percent(tokens: list[Token], at: int, value: Fraction) -> tuple[Amount, int] | None:
    if word_at(tokens, at) in _PERCENT:
        return Amount("percent", value, "percent"), at + 1
    if then := phrase_at(tokens, at, "per", "cent"):
        return Amount("percent", value, "percent"), then
    return None


def _temperature(tokens: list[Token], at: int, value: Fraction) -> tuple[Amount, int] | None:
    """20 °C, 90 fahrenheit, 50 degrees, 100 degrees f, 2 below zero."""
    if then := phrase_at(tokens, at, "below", "zero"):
        return Amount("temperature", -value, "degree"), then
    if then := phrase_at(tokens, at, "degrees", "below", "zero"):
        return Amount("temperature", -value, "degree"), then
    marked = word_at(tokens, at) in ("°", "º", "degree", "degrees", "deg")
    then = at + 1 if marked else at
    then += marked and word_at(tokens, then) == "." and word_at(tokens, at) == "deg" and bool(word_at(tokens, then + 1))
    word = word_at(tokens, then)
    if word == "." and marked:
        return Amount("temperature", value, "degree"), then
    for names, unit in ((_CELSIUS, "Celsius"), (_FAHRENHEIT, "Fahrenheit"), (_KELVIN, "Kelvin")):
        if word in names and (marked or len(word) > 1 or (word in "cf" and tokens[then].glued)):
            sign = -1 if (below := phrase_at(tokens, then + 1, "below", "zero")) else 1
            return Amount("temperature", sign * value, f"degree {unit}"), below or then + 1
    return (Amount("temperature", value, "degree"), then) if marked else None


def _money(tokens: list[Token], at: int, value: Fraction) -> tuple[Amount, int] | None:
    """15 dollars 50, 20 euros, five US dollars, 3 pounds sterling."""
    nation, then = _nation(tokens, at)
    word = word_at(tokens, then)
    if word in _MONEY and (word not in _SIGNS or not nation):
        unit, end = _MONEY[word], then + 1
    elif word in ("mgbp", "musd", "meur", "mchf") and not nation:  # 48.5 MGBP
        return Amount("currency", value * 10**6, _MONEY[word[1:]]), then + 1
    elif word in ("pound", "pounds") and (nation or value >= 10**5 or phrase_at(tokens, then + 1, "sterling")):
        unit, end = "pound", phrase_at(tokens, then + 1, "sterling") or then + 1
    else:
        return None
    if unit in ("dollar", "euro") and (cents := number_at(tokens, skip(tokens, end, "and"), suffixes=False)):
        following = word_at(tokens, cents[1])
        if 0 < cents[0] < 100 and (following in ("cents", "cent") or not following or not following.isalpha()):
            value, end = value + cents[0] / 100, cents[1] + (following in ("cents", "cent"))
    return Amount("currency", value, _with_nation(nation, unit)), end


def _money_first(tokens: list[Token], at: int) -> tuple[Amount, int] | None:
    """$5, £2.50, US$ 20, $3 million, -$5."""
    nation, start = _nation(tokens, at)
    word = word_at(tokens, start)
    if word not in _SIGNS and word not in _CODES:
        return None
    coded = word in _CODES and word_at(tokens, start + 1) == "$"  # MXN$ 15
    if word not in _MONEY:
        return None
    number = number_at(tokens, start + 1 + coded, suffixes=True)
    if number is None:
        return None
    end = number[1]
    end += word_at(tokens, end) in ("dollars", "dollar") and word == "$"
    value = number[0]
    cents = words_at(tokens, end + 1) if word == "$" and word_at(tokens, end) == "and" else None
    if cents and 10 <= cents[0] < 100 and not word_at(tokens, cents[1]).isalnum():  # $100 and fifty
        value, end = value + cents[0] / 100, cents[1]
    return Amount("currency", value, _with_nation(nation, _MONEY[word])), end


def _with_nation(nation: str, unit: str) -> str:
    """Swiss franc, US dollar: the nation once."""
    return f"{nation} {unit.split()[-1]}" if nation else unit


def _nation(tokens: list[Token], at: int) -> tuple[str, int]:
    if then := phrase_at(tokens, at, "u", ".", "s", "."):
        return "US", then
    word = word_at(tokens, at)
    if word in _NATIONS and (len(word) > 1 or word_at(tokens, at + 1) == "$"):
        then = at + 1 + (word == "hong")
        if word_at(tokens, then) in _MONEY or word_at(tokens, then) in ("pound", "pounds"):
            return _NATIONS[word], then
    return "", at


def _dimension(tokens: list[Token], at: int) -> tuple[str, int] | None:
    """The unit that stands there: km, square feet, km/h, {kg}."""
    if (word_at(tokens, at), word_at(tokens, at + 2)) in (("{", "}"), ("(", ")"), ("[", "]"), ("<", ">")):
        inner = _dimension(tokens, at + 1)
        return (inner[0], inner[1] + 1) if inner else None
    word = word_at(tokens, at)
    if word == "metric" and word_at(tokens, at + 1) in ("ton", "tons"):
        return "metric ton", at + 2
    areal = ""
    if word in _AREAL:
        areal = {"sq": "square ", "cu": "cubic "}.get(word, f"{word} ")
        at += 1 + (word_at(tokens, at + 1) in (".", "-"))
        word = word_at(tokens, at)
    if word not in UNITS:
        return None
    if word.isalpha() and at + 1 < len(tokens) and tokens[at + 1].glued and _is_code(tokens, at + 1):
        return None  # 24703m212 is the name of something
    alone = not (tokens[at].glued or _last(tokens, at))
    if alone and word in ("in", "b", "w", "v", "j", "pa", "pt"):  # these are words too
        return None
    if alone and word in ("m", "g", "l") and word_at(tokens, at + 1).isalpha() and len(word_at(tokens, at + 1)) < 3:
        return None
    unit, end = UNITS[word], at + 1
    exponent = word_at(tokens, end)
    if exponent in ("2", "²", "3", "³") and tokens[end].glued and len(word) < 3:
        unit, end = ("square " if exponent in "2²" else "cubic ") + unit, end + 1
    for words in (
        ("/", "h"),
        ("per", "hour"),
        ("an", "hour"),
        ("/", "hour"),
        ("/", "hr"),
        ("per", "second"),
        ("/", "s"),
    ):
        if then := phrase_at(tokens, end, *words):
            return f"{areal}{unit} per {'second' if words[1][0] == 's' else 'hour'}", then
    return areal + unit, end


def _is_code(tokens: list[Token], at: int) -> bool:
    """More than a single digit, which would be an exponent, and nothing that goes on with a smaller unit."""
    return tokens[at].is_number and len(tokens[at].word) > 1 and not (at + 1 < len(tokens) and tokens[at + 1].glued)


def _last(tokens: list[Token], at: int) -> bool:
    return at + 1 >= len(tokens) or not word_at(tokens, at + 1).isalnum()


_SMALLER: Final = {  # unit -> smaller units that may follow, and how many make one
    "foot": {"inch": 12}, "yard": {"foot": 3, "inch": 36}, "metre": {"centimetre": 100}, "kilometre": {"metre": 1000},
    "kilometre2": {}, "pound": {"ounce": 16}, "stone": {"pound": 14}, "mile": {"yard": 1760, "foot": 5280},
    "kilogram": {"gram": 1000}, "litre": {"millilitre": 1000}, "centimetre": {"millimetre": 10},
}  # fmt: skip


def _compound(tokens: list[Token], amount: Amount, end: int) -> tuple[Amount, int]:
    """7 feet and 10 inches, 2 km 1 m: in the smallest unit named."""
    while following := _SMALLER.get(amount.unit):
        then = skip(tokens, end, ",", "and")
        number = number_at(tokens, then, suffixes=False)
        unit = _dimension(tokens, number[1]) if number else None
        if number is None or unit is None or unit[0] not in following:
            break
        amount = Amount("dimension", amount.value * following[unit[0]] + number[0], unit[0])
        end = unit[1]
    return amount, end
