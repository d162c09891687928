"""In German: what nothing here can do (out_of_reach.py), what only the user can know (own.py), and what a model says
it has done (claims.py). Whole shapes, as there."""

from __future__ import annotations

import re
from typing import Final

from assistant.rules.german_words import plainly
from assistant.tools.calls import Call

_A: Final = r"(?:de[nrm]|die|das|einen?|einem|einer|mein\w{0,2}|unser\w{0,2}|dein\w{0,2})"
_NETWORK: Final = (
    r"(?:bestelle?|buche?|reserviere?|kaufe?|miete) (?!(?:ist|und|ich|man|oder)\b).+",
    r"rufe? .+ an|telefoniere? mit .+|rufe? (?:mir |uns )?(?:ein|einen) (?:taxi|krankenwagen|arzt)\b.*",
    r"(?:schicke?|sende?|leite) (?:.+ )?(?:nachricht|sms|e-?mail|mail|whatsapp|brief|karte|postkarte|einladung)\b.*",
    r"überweise? .+|(?:bezahle?|begleiche?) .+",
    r"lade? .+ (?:herunter|runter|hoch)|(?:installiere?|aktualisiere?) .+",
    r"poste .+|(?:suche?|schaue?|google) (?:im|in) (?:internet|netz|web)\b.*|google (?:mal|nach|die|den|das) .+",
    r"melde? (?:mich|uns) .+ (?:an|ab)",
)
_DISH: Final = (
    r"(?:kaffee|tee|espresso|cappuccino|kakao|bier|wein|wasser|saft|brot|brötchen|toast|frühstück|mittagessen"
    r"|abendessen|essen|kuchen|pizza|suppe|salat|ei|eier|nudeln|snack)"
)
_MACHINE: Final = (
    r"(?:spülmaschine|geschirrspüler|waschmaschine|trockner|backofen|ofen|herd|mikrowelle|wasserkocher|auto|motor"
    r"|drucker|kaffeemaschine|rasensprenger)"
)
_COMPUTER: Final = r"(?:computer|rechner|pc|laptop|handy|telefon|tablet|router|wlan|bluetooth|flugmodus|hotspot)"
_HANDS: Final = (
    rf"(?:bringe?|trage?) {_A} (?:müll|abfall|altpapier|tonne|wäsche)\b.*",
    rf"(?:füttere?|gieße?|wasche?|putze?|bügele?|bügle|mähe?|repariere?|wische?|staube?|spüle?|falte?) {_A} .+",
    rf"räume? {_A} .+ (?:auf|aus|ein)|gehe? mit {_A} hund\b.*|hole? {_A} .+ ab",
    rf"(?:mache?|koche?|backe?|bringe?|hole?|gib) (?:mir|uns) (?:.+ )?{_DISH}\b.*",
    rf"(?:koche?|brate) (?:.+ )?{_DISH}",
    rf"(?:starte?|stoppe?|leere?|belade?|parke?|tanke?|lade?) {_A} {_MACHINE}\b.*",
    rf"(?:schalte?|mache?|stelle?) (?:{_A} )?(?:{_COMPUTER}|{_MACHINE}) (?:an|aus|ein)",
    rf"fahre? {_A} {_COMPUTER} (?:herunter|runter|hoch)|starte? {_A} {_COMPUTER} neu",
    r"mache? (?:ein|einen|mal ein) (?:foto|bild|selfie|screenshot|video)\b.*|nimm .+ auf video auf",
    rf"(?:drucke?|scanne?|kopiere?) {_A} .+?(?: aus| ein)?",
    r"(?:öffne|starte?) (?:den browser|firefox|chrome|spotify|netflix|youtube|word|excel|outlook)\b.*",
)
_KEEPS: Final = re.compile(
    r"lösche? (?:den (?:chat|verlauf|gesprächsverlauf)|(?:dieses|das|unser) gespräch|die unterhaltung|alle gespräche)"
    r"|vergiss alles,? was ich (?:dir )?(?:gesagt|erzählt|geschrieben|gefragt) habe",
    re.IGNORECASE,
)
_BY_NETWORK: Final = re.compile("|".join(f"(?:{p})" for p in _NETWORK), re.IGNORECASE)
_BY_HAND: Final = re.compile("|".join(f"(?:{p})" for p in _HANDS), re.IGNORECASE)
_MAX_CHARS: Final = 120


def beyond_in_german(text: str) -> Call | None:
    """The refusal of a German command that nothing here can carry out; None for anything else."""
    told = " ".join(text.split())
    words = plainly(told.strip(" .!?"))
    if len(words) > _MAX_CHARS or "\n" in text.strip() or (told.endswith("?") and words == told.strip(" .!?")):
        return None
    if _KEEPS.fullmatch(words):
        return Call("system.keeps_history", source="rules", language="de")
    if _BY_NETWORK.fullmatch(words):
        return Call("system.needs_network", {"action": words}, source="rules", language="de")
    return (
        Call("system.needs_hands", {"action": words}, source="rules", language="de")
        if _BY_HAND.fullmatch(words)
        else None
    )


# -- what only the user can know ---------------------------------------------------------------------------------------

_MY: Final = r"(?:mein|unser)(?:e[nmrs]?)?"
_THING: Final = rf"{_MY} (?:[\w&.-]+ ){{0,2}}?[\w&.-]+"
_HOUSEHOLD: Final = (
    r"(?:das|die|der) (?:wlan|wi-?fi|netflix|router|haus|tresor|computer|konto)-?(?:passwort|schlüssel|code|pin)"
)
_KIN: Final = r"(?:oma|opa|mama|papa|mutti|vati|mami|papi)"
_WHAT: Final = rf"(?P<what>{_THING}|{_HOUSEHOLD})"
_STILL: Final = r"(?: (?:noch|wieder|eigentlich|denn|gleich|noch ?mal|fällig|gültig|versichert|zu ende|dran|geboren))*"
_SHAPES: Final = tuple(
    re.compile(shape, re.IGNORECASE)
    for shape in (
        r"(?:wie (?:hoch|lang|alt|groß|schwer|teuer|viel)|wie|was|wer|wo|wann|bis wann) (?:ist|sind|war|waren|lautet"
        rf"|lauten|heißt|heißen|kostet|kosten|gilt|gelten) (?:denn |noch )?{_WHAT}{_STILL}",
        rf"(?:wo|wie) (?:steht|liegt|parkt|wohnt|arbeitet|hängt) {_WHAT}{_STILL}",
        rf"(?:wann|bis wann|wie lange) (?:läuft|endet|beginnt|startet|fängt|gilt|ist|muss|geht|kommt) {_WHAT}"
        r"(?: noch)?(?: (?:ab|aus|an|los|gültig|zu ende|zum tüv|zum zahnarzt))?",
        rf"(?:wo|wann|was|wem) (?:habe?|hatte) ich {_WHAT}(?: zuletzt| das letzte mal| noch)*(?: \w+(?:t|en|legt"
        r"|ssen|tan|llt))?",
        r"wann (?:habe?|haben) (?:ich|wir) (?P<appointment>(?:meinen?|den|die|unseren?) nächsten? [\w-]+)(?: \w+)?",
        r"wann (?:habe?|haben) (?:ich|wir) (?P<when>(?:den|einen|meinen) [\w-]*termin)(?: (?:beim|bei) .+)?",
        r"(?:was|wie ?viel) (?:bezahle?|zahle?n?|schulden?|kostet) (?:ich|wir|uns)(?: (?:im monat|monatlich"
        r"|pro jahr))? für (?P<paid>[\w-]+(?: [\w-]+)?)"
        r"(?: (?:im monat|monatlich|pro jahr))?",
        rf"wann (?:hat|haben|ist) (?P<birthday>{_THING}|{_KIN})(?: geburtstag| geboren)",
        rf"(?:weißt du|sag mir|kannst du mir sagen),? (?:wie|was|wo|wann|wer) {_WHAT} (?:ist|war|heißt|lautet"
        r"|kostet|liegt|steht|abläuft)",
        rf"welche[nrs]? [\w-]+ (?:hat|haben|ist|war) {_WHAT}",
    )
)
_OF_ME: Final = {
    "wie alt bin ich": "mein Alter", "wie groß bin ich": "meine Größe", "wie viel wiege ich": "mein Gewicht",
    "wie schwer bin ich": "mein Gewicht", "wie viel verdiene ich": "mein Gehalt", "was verdiene ich": "mein Gehalt",
    "wo wohne ich": "meine Adresse", "wo arbeite ich": "meine Arbeit", "wie heiße ich": "mein Name",
    "wann habe ich geburtstag": "mein Geburtstag", "wann bin ich geboren": "mein Geburtstag",
    "wo bin ich geboren": "mein Geburtsort",
}  # fmt: skip
_NOT_OWN: Final = re.compile(
    r"\b(?:beste[nrs]?|schlechteste[nrs]?|richtige[nrs]?|ideale[nrs]?|mögliche[nrs]?|rechte?|pflicht(?:en)?|chancen?"
    r"|möglichkeit(?:en)?|optionen|problem\w*|fehler\w*|frage\w*|sinn|zweck|schicksal|zukunft|horoskop|sternzeichen"
    r"|leben|planet\w*|welt|sonne|erde|mond|galaxie|gesellschaft|wirtschaft|land|regierung|klima|zeit|jahrhundert"
    r"|körper|gehirn|blut|herz|leber|lunge\w*|nieren?|magen|darm|haut|knochen|muskeln?|augen?|ohr\w*|nase|mund|zunge"
    r"|zahn|zähne|haare?|kopf|hals|nacken|rücken|schulter\w*|brust|bauch|hüfte|knie|beine?|fuß|füße|zehen?|hand|hände"
    r"|finger\w*|arme?|code|aufsatz|text\w*|satz|sätze|absatz|gedicht|geschichte|antwort|grammatik|übersetzung"
    r"|computer|rechner|akku|arbeitsspeicher|festplatte|cpu|ip|modell|timer|wecker|erinnerung\w*|\w*listen?|notiz\w*"
    r"|kalender|plan|pläne|tag|woche|nachrichten|licht\w*|lampe\w*|heizung\w*|thermostat\w*|fernseher|musik"
    r"|lautstärke|wetter|dokumente?|datei\w*|unterhaltung\w*|gespräche?|daten|wenn|weil|und|oder|als|dass|beim|zum)\b",
    re.IGNORECASE,
)


def own_in_german(question: str) -> str:
    """What of the user's own a German question asks for, in the user's words: "unsere Miete"; "" if it asks for no
    such fact."""
    words = " ".join(question.split()).strip(" ?!.")
    if about := _OF_ME.get(words.lower()):
        return about
    match = next(filter(None, (shape.fullmatch(words) for shape in _SHAPES)), None)
    if match is None:
        return ""
    what = next(filter(None, match.groupdict().values()), "")
    return "" if _NOT_OWN.search(what) else what


# -- what a model says it has done -------------------------------------------------------------------------------------

_COMMAND: Final = re.compile(
    r"(?:mache?|schalte?|stelle?|setze?|drehe?|öffne|schließe?|lösche?|entferne|streiche?|wecke?|erinnere?|dimme?"
    r"|spiele?|pausiere?|bestelle?|buche|rufe?|schicke?|sende|kaufe?|bezahle?|überweise?|reserviere?|installiere?"
    r"|fahre|bringe?|gieße?|füttere?|putze?|sauge?|koche?|merke?|notiere?|trage?|verschiebe?|brich|füge?|aktiviere?"
    r"|deaktiviere?|verbinde?|nimm|(?:starte?|stoppe?|packe?|lege?|lade?|halte?|fahr|buch)"
    r"(?= (?:de[nrm]|die|das|eine?[nmr]?|mein\w*|mir|uns|alle)\b))(?!\w)",
    re.IGNORECASE,
)
_ABOUT_WORDS: Final = re.compile(
    r"\b(?:wort|wörter|worte|satz|sätze|absatz|absätze|texte?s?|brief\w*|gedicht\w*|geschichten?|aufsatz|zeilen?|titel"
    r"|stil|code|funktion\w*|tabellen?|spalten?|zusammenfassung|antwort\w*|erklärung\w*|übersetzung|grammatik"
    r"|rechtschreibung|witze?|reime?|vorschl\w+|beispiele?|förmlich\w*|höflich\w*|kürzer|länger|einfacher|lustig\w*"
    r"|gedanken|sorgen)\b|[:\n`]",
    re.IGNORECASE,
)
_DID: Final = (
    r"(?:\w*ge\w{2,}(?:t|en)|bestellt|erledigt|notiert|reserviert|installiert|aktiviert|deaktiviert|verschoben"
    r"|überwiesen|bezahlt|verschickt|eingestellt|pausiert|gestoppt|an|aus|ein|auf|zu|offen)"
)
_ACT: Final = re.compile(
    r"(?:(?:sicher|klar|natürlich|gern|gerne|okay|ok|ja|alles klar|in ordnung|verstanden|selbstverständlich"
    r"|sehr gern\w?"
    r"|super|perfekt|gut)[,.!]*\s+)*"
    r"(?:ich (?:habe|hab|werde|schalte|mache|stelle|setze|bestelle|buche|rufe|schicke|sende|erinnere|wecke|lösche|öffne"
    r"|schließe|starte|stoppe|notiere|merke)\b(?! (?:\w+ ){0,3}(?:leider|nicht|keine?\w*)\b)"
    rf"|(?:das|der|die|es|dein\w{{0,2}}|ihr\w{{0,2}}) (?:[\wäöüß-]+ ){{0,4}}?(?:ist|sind|wird"
    rf"|wurden?) (?!nicht)(?:[\wäöüß-]+ ){{0,5}}?{_DID}\b"
    r"|(?:erledigt|gemacht|ausgeschaltet|eingeschaltet|bestellt|gebucht|gestellt|gelöscht|gesendet|notiert)\b)",
    re.IGNORECASE,
)
NOTHING_DONE: Final = "(Es wurde nichts getan: das wurde nicht als Befehl verstanden.)"


def is_german_command(text: str) -> bool:
    """Whether it tells the assistant in German to do something other than to write."""
    told = plainly(" ".join(text.split()).strip(" .!?"))
    asks = text.strip().endswith("?") and told == " ".join(text.split()).strip(" .!?")
    return (
        len(told) <= 160
        and not asks
        and "\n" not in text
        and not _ABOUT_WORDS.search(told)
        and bool(_COMMAND.match(told))
    )


def says_it_acted(said: str) -> bool:
    """Whether a German answer begins like an act."""
    return bool(_ACT.match(said))
