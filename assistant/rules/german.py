"""What people say in German, as the English that rules know: a table of whole sentences.

The user's own words (items, names, what to be reminded of) stay as they are. Where a word is not known the sentence is
left alone, and so is one that says what not to do. Times, sums and politeness: german_words.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from assistant.rules.german_home import DEVICES, IN, MAKE, THE, Put
from assistant.rules.german_words import FEASTS, NUMBERS, UNIT, UNITS, length, number, summed, when

_LIST: Final = (
    r"(?:(?:der|die|den|das|meiner?|meinen|unserer?|unseren) )?"
    r"(?P<list>[\wäöüß-]*(?:liste|zettel)(?: (?!hinzu|vor|an|ab|aus|und|ist|sind|steht|setzen|schreiben)\w+)?)"
)
_PUT_ON: Final = r"(?:setze?|schreibe?|packe?|tue?|nimm|nehme?|füge?|lege?)"
_PLACES: Final = {"tokio": "tokyo", "peking": "beijing", "rom": "rome", "wien": "vienna", "moskau": "moscow",
                  "prag": "prague", "warschau": "warsaw", "lissabon": "lisbon", "athen": "athens", "kairo": "cairo",
                  "neu-delhi": "new delhi", "kapstadt": "cape town", "brüssel": "brussels", "mailand": "milan",
                  "genf": "geneva", "zürich": "zurich", "kopenhagen": "copenhagen", "singapur": "singapore",
                  "mexiko-stadt": "mexico city"}  # fmt: skip


def _timed(opening: str, at: str = "") -> Callable[[re.Match[str]], str | None]:
    """`opening` and the time of the sentence; `at` before a bare hour."""

    def put(match: re.Match[str]) -> str | None:
        moment = when(match["when"])
        if not moment:
            return None
        bare = re.fullmatch(r"\d{1,2}(?: in the \w+)?", moment) or re.match(r"\d{1,2}:\d\d", moment)
        return f"{opening} {at if bare or moment[0].isdigit() else ''}{moment}"

    return put


def _lasting(template: str) -> Callable[[re.Match[str]], str | None]:
    """The template with the length of the sentence in it."""

    def put(match: re.Match[str]) -> str | None:
        lasts = length(match["when"])
        return match.expand(template.replace("{length}", lasts)) if lasts else None

    return put


def _reminder(match: re.Match[str]) -> str | None:
    """The time stands before what to be reminded of, or behind it: the longest end that is one."""
    what, moment = match["what"], when(match["when"]) if match["when"] else ""
    if moment is None:
        return None
    words = what.split()
    for n in range(1, len(words)) if not moment else ():
        if (found := when(" ".join(words[n:]))) and re.search(r"[a-z:]", found):
            what, moment = " ".join(words[:n]), found
            break
    at = "at " if moment and moment[0].isdigit() else ""
    return f"remind me {f'{at}{moment} ' if moment else ''}about {what.rstrip(',')}"


def _entry(match: re.Match[str]) -> str | None:
    """An entry of the calendar: its time stands before its title or behind it."""
    words = match["what"].split()
    for n in range(len(words) - 1, 0, -1):
        if moment := when(" ".join(words[:n])):
            return f"add {' '.join(words[n:])} {moment} to my calendar"
        if moment := when(" ".join(words[-n:])):
            return f"add {' '.join(words[:-n])} {moment} to my calendar"
    return None


def _bare_time(moment: str) -> str:
    return re.sub(r"^(?:at|on) ", "", moment)


def _more_of_sum(match: re.Match[str]) -> str | None:
    return (summed(f"1 {match['sum']}") or "").removeprefix("1 ") or None


def _list_name(said: str) -> str:
    """ "Einkaufsliste" as "the shopping list", "Packliste" as "the Packliste list"; "Liste" alone as "the list"."""
    words = said.split()
    if re.fullmatch(r"einkaufs(?:liste|zettel)", words[0], re.IGNORECASE):
        return "the shopping list" if len(words) == 1 else ""
    if words[0].lower() == "liste":
        return f"the {words[1]} list" if len(words) > 1 else "the list"
    if re.fullmatch(r"(?:to-?do-?|aufgaben)liste", words[0], re.IGNORECASE):
        return "my to-do list" if len(words) == 1 else ""
    return f"the {words[0]} list" if len(words) == 1 else ""


def _listed(template: str) -> Callable[[re.Match[str]], str | None]:
    def put(match: re.Match[str]) -> str | None:
        named = _list_name(match["list"])
        groups = match.groupdict()
        items = re.sub(r",? und ", " and ", groups.get("items") or "")
        return template.format(list=named, items=items) if named else None

    return put


def _also(match: re.Match[str]) -> str:
    return f"and {re.sub(r',? und ', ' and ', match['items'])}"


def _converted(match: re.Match[str]) -> str | None:
    value, unit = number(match["n"]), match["unit"].lower()
    if not re.fullmatch(r"-?[\d.]+", value):
        return None
    if unit == "pfund":  # half a kilogram, and no English pound
        value, unit = f"{float(value) / 2:g}", "kilogramm"
    return f"what is {value} {UNITS[unit]} in {UNITS[match['to'].lower()]}"


def _date(words: str) -> str | None:
    said = re.sub(r"^(?:zum|zu|der|den|dem) ", "", words.lower())
    return FEASTS.get(said) or when(said)


def _day(template: str) -> Callable[[re.Match[str]], str | None]:
    def put(match: re.Match[str]) -> str | None:
        found = _date(match["day"])
        return template.replace("{day}", found) if found else None

    return put


def _in_place(template: str) -> Callable[[re.Match[str]], str]:
    return lambda m: template.replace("{place}", _PLACES.get(m["place"].lower(), m["place"]))


def _bare(match: re.Match[str]) -> str | None:
    """A time or a length alone: the answer to "for how long"."""
    found = when(match["when"])
    return found if found and re.search(r"\d", found) and re.search(r"[a-z:]", found) else None


_N: Final = rf"(?P<n>-?\d[\d.,]*|{'|'.join(sorted(NUMBERS, key=len, reverse=True))})"
_U: Final = rf"(?:{UNIT})"
GERMAN: Final[tuple[tuple[str, Put], ...]] = (
    # timers
    (rf"(?:{MAKE}|starte?)(?: mir)? (?:{THE} )?(?:timer|countdown|küchenwecker|eieruhr) (?:auf|für|von"
     rf"|über)? ?(?P<when>.+)",
     _lasting("set a timer for {length}")),
    (r"(?:timer|countdown|küchenwecker|eieruhr) (?:(?:auf|für|von|über) )?(?P<when>.+?)(?: stellen| starten)?",
     _lasting("set a timer for {length}")),
    (rf"(?:{MAKE}|starte?)(?: mir)? (?:{THE} )?(?P<name>[a-zäöüß]{{2,20}}?)-?timer (?:auf|für|von|über) (?P<when>.+)",
     _lasting(r"set a \g<name> timer for {length}")),
    (rf"(?:(?:{MAKE}|starte?)(?: mir)? )?(?:{THE} )?timer für {THE} (?P<name>\w+) (?:auf|von|über) (?P<when>.+)",
     _lasting(r"set a \g<name> timer for {length}")),
    (r"(?:(?:und |auch )?noch einen?r?|und einen?)(?: timer| zweiten)? (?:auf|für|von|über) (?P<when>.+)",
     _lasting("another one for {length}")),
    (r"(?:gib mir |und )?noch (?P<when>.+?)(?: mehr| drauf| dazu| länger)?|(?:verlängere?|erhöhe?) (?:ihn"
     r"|den timer) um (?P<when2>.+)",
     lambda m: f"give me {lasts} more" if (lasts := length(m["when"] or m["when2"])) else None),
    (rf"(?:{MAKE}|ändere?) (?:(?:es|ihn|den timer|den wecker|da) )?(?:(?:lieber|doch"
     rf"|besser) )?(?:auf )?(?P<when>.+?)(?: draus| daraus)?"
     r"|(?:nein|doch|lieber|doch lieber|besser|nein,? doch|ach nein|ich meinte?),? (?:lieber )?(?:auf )?(?P<when2>.+)",
     lambda m: f"make it {_bare_time(moment)}" if (moment := when(m["when"] or m["when2"])) else None),
    (r"(?:halte?|pausiere?|stoppe?) (?:den timer|ihn)(?: an)?", "pause the timer"),
    (r"(?:und )?(?:lass (?:den timer|ihn) )?weiter(?:laufen)?|(?:setze?|mach) (?:den timer|ihn) (?:fort|weiter)",
     "resume it"),
    (rf"brich {THE} (?:timer|countdown) ab|(?:timer|countdown) (?:stoppen|löschen|aus|abbrechen)"
     rf"|lösche? {THE} timer", "cancel the timer"),
    (r"(?:lösche?|stoppe?|brich|entferne) alle timer(?: ab)?|alle timer (?:löschen|stoppen|aus)", "cancel all timers"),
    (r"(?:welche|wie viele) timer (?:laufen|sind gestellt|gibt es|habe ich)(?: gerade| noch)?",
     "what timers are running"),
    (r"wie ?viel zeit (?:ist|bleibt|habe ich)(?: noch)?(?: übrig)?|wie lange(?: läuft (?:der timer|er))?(?: noch)?",
     "how much time is left"),
    (rf"wie lange(?: noch (?:laufen|läuft|brauchen|braucht)?| (?:laufen|läuft)) ?{THE} (?P<name>\w+)",
     r"how much time is left on the \g<name>"),
    (rf"wie lange (?:laufen|läuft|brauchen|braucht) {THE} (?P<name>\w+) noch",
     r"how much time is left on the \g<name>"),
    (r"abbrechen|brich (?:es|das|ihn|sie) ab|(?:lösche?|stoppe?) (?:es|ihn|sie|das)(?: wieder)?|(?:lass es"
     r"|doch nicht)", "cancel it"),
    (r"stopp", "stop"),
    (r"nein(?: danke)?", "no"),
    (r"vergiss es|egal|schon gut|lass gut sein", "never mind"),
    # alarms and reminders
    (r"wecke? (?:mich|uns) (?P<when>.+?)(?: auf)?", _timed("wake me", "at ")),
    (rf"(?:stelle?|setze?|mach)(?: mir)? {THE} wecker (?:auf |für |um )?(?P<when>.+?)", _timed("set an alarm", "at ")),
    (rf"(?:{THE} )?wecker (?:auf |für |um )?(?P<when>.+?)(?: stellen)?", _timed("set an alarm", "at ")),
    (r"(?:welche|zeige?(?: mir)?(?: meine| die)?) wecker(?: sind gestellt| habe ich| gibt es)?"
     rf"|(?:wann|um wie viel uhr) klingelt {THE} wecker", "what alarms are set"),
    (rf"(?:lösche?|entferne|streiche?) {THE} wecker|(?:schalte?|stelle?|mache?) {THE} wecker (?:aus|ab)"
     rf"|wecker (?:aus|ab|löschen)",
     "cancel my alarm"),
    (rf"(?:lösche?|entferne|streiche?|stelle?|schalte?) {THE} wecker (?:um |für "
     rf"|von )?(?P<when>.+?)(?: uhr)?(?: ab| aus)?",
     lambda m: f"cancel the {_bare_time(moment)} alarm" if (moment := when(m["when"])) else None),
    (r"(?:lösche?|entferne) alle wecker|(?:schalte?|stelle?) alle wecker (?:aus|ab)", "cancel all alarms"),
    (r"(?:verschiebe?|verlege?|ändere?) (?:den|meinen) wecker auf (?P<when>.+)",
     lambda m: f"move the alarm to {_bare_time(moment)}" if (moment := when(m["when"])) else None),
    (r"(?P<when>.+?) (?P<way>später|früher)",
     lambda m: f"{lasts} {'later' if m['way'].lower() == 'später' else 'earlier'}"
     if (lasts := length(m["when"])) else None),
    (r"erinnere? (?:mich|uns) (?:(?P<when>(?!an\b|ans\b|daran).+?) )?(?:ans?|daran,?(?: dass)?) (?P<what>.+)",
     _reminder),
    (r"welche erinnerungen (?:habe ich|gibt es|stehen)(?: noch)?(?: an)?|zeige?(?: mir)? (?:meine|die) erinnerungen"
     r"|woran (?:erinnerst|musst|sollst) du mich(?: noch)?(?: erinnern)?", "what are my reminders"),
    (r"lösche? (?:alle|meine|die) erinnerungen", "delete all reminders"),
    (r"lösche? die erinnerung an (?:(?:den|die|das) )?(?P<what>.+)", r"delete the reminder about \g<what>"),
    (r"was (?:steht|liegt|habe ich|ist) (?P<day>heute|morgen|übermorgen|am \w+tag)(?: noch)?(?: an| vor| los)?",
     _day("what do I have {day}")),
    (r"(?:trage?|schreibe?) (?P<what>.+) in (?:den|meinen) kalender(?: ein)?", _entry),
    # lists
    (rf"was (?:steht|ist)(?: noch| alles)* auf {_LIST}", _listed("what is on {list}")),
    (rf"(?:lies|zeige?)(?: mir)? {_LIST}(?: vor)?", _listed("what is on {list}")),
    (rf"(?:leere?) {_LIST}", _listed("clear {list}")),
    (r"lösche? (?:(?:die|meine|unsere) )?(?P<list>einkaufs(?:liste|zettel))", _listed("clear {list}")),
    (rf"(?:lösche?|entferne?) {_LIST}", _listed("delete {list}")),
    (rf"(?:lege?|erstelle?|mache?|beginne?) (?:mir )?(?:eine )?(?:neue )?{_LIST}(?: an)?",
     lambda m: f"create a {named.partition(' ')[2]}" if (named := _list_name(m["list"])) else None),
    (rf"(?:streiche?|lösche?|nimm|entferne?|hole?) (?:(?:die|das|den) )?(?P<items>.+?) (?:wieder )?(?:von|aus"
     rf"|runter von) {_LIST}(?: runter)?",
     _listed("remove {items} from {list}")),
    (rf"(?:hake?|streiche?) (?:(?:die|das|den) )?(?P<items>.+?) auf {_LIST} ab",
     _listed("check off {items} on {list}")),
    (rf"(?:steht|stehen|ist|sind|haben wir|habe ich) (?:noch |schon )?(?:(?:die|das|der) )?(?P<items>.+?)"
     rf" (?:schon |noch |bereits )?auf {_LIST}",
     _listed("is {items} on {list}")),
    (rf"(?:steht|stehen|ist|sind) auf {_LIST} (?:schon |noch |bereits )?(?P<items>.+)",
     _listed("is {items} on {list}")),
    (rf"{_PUT_ON} (?P<items>.+?) (?:(?:mit |noch |auch )*auf|zur?|in) {_LIST}(?: hinzu)?",
     _listed("add {items} to {list}")),
    (rf"(?P<items>(?!(?:was|lies|zeige?|wie|ist|sind|steht|haben|schau)\b).+?) auf {_LIST}(?: setzen| schreiben)?",
     _listed("add {items} to {list}")),
    (r"(?:und|auch|und auch|und noch)(?: noch)? (?P<items>(?!(?:in|im|am|auf|was|wie|wer|wo|wann|mal|plus|minus"
     r"|jetzt|nun|dann|weiter|stell|mach|noch|die|der|das|den|es|ich|du|wir|ein|eine|einen)\b)"
     r"[\w-]+(?: [\w-]+){0,2}(?:(?:, | und )[\w-]+)*?)(?: auch)?(?: noch)?", _also),
    (r"(?P<items>[\w-]+) (?:auch noch|auch|noch dazu)", _also),
    (r"was (?:steht|ist)(?: da| denn| noch| alles)* (?:drauf|darauf)", "what is on it"),
    (r"(?:streiche?|nimm|lösche?) (?:(?:die|das|den) )?(?P<item>[\w-]+) (?:wieder )?(?:raus|runter|wieder|weg)",
     r"remove the \g<item>"),
    *DEVICES,
    (rf"und {IN} (?P<place>[\w-]+(?: [\w-]+)?)", _in_place("and in the {place}")),
    # sums, units, dates
    (r"(?:was|wie ?viel) (?:ist|sind|macht|ergibt|gibt) (?P<sum>.+)|rechne?(?: mir)?(?: aus)?:? (?P<sum2>.+?)(?: aus)?",
     lambda m: f"what is {found}" if (found := summed(m["sum"] or m["sum2"])) else None),
    (r"(?:und )?(?:das )?(?P<sum>(?:mal|plus|minus|durch|geteilt durch) .+)", _more_of_sum),
    (rf"(?:was|wie ?viel) (?:ist|sind) {_N} (?P<unit>{_U}|pfund) in (?P<to>{_U})", _converted),
    (rf"wie ?viele? (?P<to>{_U}) (?:sind|ist|hat|haben|ergeben) {_N} (?P<unit>{_U}|pfund)", _converted),
    (rf"(?:rechne?|konvertiere?|wandle) {_N} (?P<unit>{_U}|pfund) in (?P<to>{_U})(?: um)?", _converted),
    (r"wie ?(?:viele tage|lange)(?: sind es| bleiben| ist es| noch)* bis (?P<day>.+)",
     _day("how many days until {day}")),
    (r"(?:in )?wie ?viele? wochen (?:sind es (?:noch )?bis|ist|noch bis) (?P<day>.+)",
     _day("how many weeks until {day}")),
    (r"in wie ?vielen? tagen ist (?P<day>.+)|wann ist (?P<day2>weihnachten|ostern|silvester|heiligabend|neujahr)",
     lambda m: _day("how many days until {day}")(m) if m["day"] else f"when is {FEASTS[m['day2'].lower()]}"),
    (r"(?:was für ein|welcher) (?:wochentag|tag) ist (?P<day>.+)|auf welchen (?:wochentag|tag) fällt (?P<day2>.+)",
     lambda m: f"what day is {found}" if (found := _date(m["day"] or m["day2"])) else None),
    (r"(?:was ist|was haben wir|welcher tag ist) morgen(?: für ein tag)?|was für ein tag ist morgen",
     "what day is tomorrow"),
    (r"(?:wie spät|wie viel uhr) ist es(?: gerade| jetzt)? in (?P<place>[\w -]+)",
     _in_place("what time is it in {place}")),
    # what is told, noted, and this machine
    (r"(?:merke?|behalte?) dir,?(?: bitte,?)?:? (?:dass )?(?P<text>(?!(?:das|es|dies|alles)$).+)",
     r"remember that \g<text>"),
    (r"vergiss,? dass (?P<text>.+)", r"forget that \g<text>"),
    (r"vergiss alles,? was du über mich weißt", "forget everything you know about me"),
    (r"was weißt du(?: alles)? über mich|was habe ich dir (?:alles )?(?:gesagt|erzählt)", "what do you know about me"),
    (r"(?:notiere?|notiz|schreibe? (?:dir )?auf|mach(?:e)? (?:dir )?eine notiz)(?:,? dass|:| ) ?(?P<text>.+)",
     r"take a note: \g<text>"),
    (r"(?:was habe ich (?:mir )?(?:notiert|aufgeschrieben)|zeige?(?: mir)? (?:meine|die|alle) notizen|(?:was sind"
     r"|welche) (?:meine )?notizen(?: habe ich| gibt es)?)",
     "what are my notes"),
    (r"(?:suche?|finde?|zeige?)(?: mir)? (?:meine|die) notiz(?:en)? (?:über|zu[mr]?|von|nach|mit) (?:(?:de[nrm]|die"
     r"|das|meinen?) )?(?P<text>.+)"
     r"|suche? in (?:meinen|den) notizen nach (?:(?:de[nrm]|die|das|meinen?) )?(?P<text2>.+)",
     lambda m: f"find my note about {m['text'] or m['text2']}"),
    (r"würfle|würfele?|wirf (?:einen |den )?würfel", "roll a die"),
    (r"wirf (?:eine |die )?münze|kopf oder zahl", "flip a coin"),
    (r"wie (?:wird|ist) das wetter(?: heute| morgen| am \w+| übermorgen| draußen)*|(?:regnet|schneit) es(?: heute"
     r"| morgen)?|brauche ich (?:heute |morgen )?einen (?:regen)?schirm",
     "what's the weather"),
    (r"was (?:kam|gibt es neues|läuft|gibt es|steht)(?: heute)? in den nachrichten|was gibt es neues in der welt"
     r"|(?:zeige?|lies)(?: mir)? die nachrichten",
     "what's the news"),
    (r"was kannst du(?: alles)?|hilfe", "what can you do"),
    (r"rückgängig(?: machen)?|mach (?:das|es) (?:wieder )?rückgängig|nimm das zurück", "undo"),
    (r"(?:und )?(?P<when>.+?) (?:noch ?mal|noch einmal)|(?:und )?(?:noch ?mal|noch einmal) (?P<when2>.+)",
     lambda m: f"and again {moment if moment[0].isalpha() else f'at {moment}'}"
     if (moment := when(m["when"] or m["when2"])) else None),
    (r"(?:und )?(?:noch ?mal|noch einmal)", "again"),
    (r"(?:starte?|beginne?) die stoppuhr|stoppuhr(?: starten)?", "start the stopwatch"),
    (r"(?:stoppe?|halte?) die stoppuhr(?: an)?", "stop the stopwatch"),
    (r"was (?:zeigt|sagt) die stoppuhr", "what does the stopwatch say"),
    (r"was (?:brauche|brauchen|fehlt)(?: ich| wir)?(?: noch)?", "what else do i need"),
    (r"(?P<when>.+)", _bare),
)  # fmt: skip
