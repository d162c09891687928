"""Commands that nothing here can carry out: what only hands, another program or the internet can do.

Small models answer such commands as if they had obeyed ("Booked: table for two."), the more so behind the replies of
tools. So what is surely such a command is refused by a rule, and no model sees it. Requests for a text stay with the
model: "write an email to my landlord" asks for words, "send an email to my landlord" for an act. German:
german_beyond.py.
"""

from __future__ import annotations

import re
from typing import Final

from assistant.rules.german_beyond import beyond_in_german
from assistant.rules.table import plain
from assistant.tools.calls import Call

_THE: Final = r"(?:the|my|our|this|that|these|those|his|her|their)"
_SOME: Final = rf"(?:{_THE}|an?|some|all(?: of)?(?: {_THE})?)"
_MESSAGE: Final = r"(?:messages?|texts?|e-?mails?|mails?|sms|whatsapps?|letters?|postcards?|invitations?|faxe?s?)"
_SITES: Final = (
    r"(?:facebook|instagram|twitter|linkedin|tiktok|youtube|reddit|whatsapp|discord|slack|snapchat|mastodon|bluesky"
    r"|ebay|amazon|(?:the )?(?:internet|web|cloud)|social media|dropbox|google drive|icloud)"
)
_DISH: Final = (
    r"(?:coffee|tea|cappuccino|espresso|latte|drink|beer|wine|water|sandwich|toast|breakfast|lunch|dinner|snack|cake"
    r"|pizza|soup|salad|eggs?|pasta)"
)
_MACHINE: Final = (
    r"(?:dishwasher|washing machine|washer|(?:tumble )?dryer|oven|stove|microwave|kettle|car|engine|printer|treadmill"
    r"|sprinklers?|laundry|3d printer|coffee maker)"
)
_SETTING: Final = (
    r"(?:wi-?fi|bluetooth|notifications?|do not disturb|airplane mode|flight mode|night mode|dark mode|hotspot|location"
    r"|vibration|subtitles|caps lock|computer|pc|laptop|phone|tablet|screen|monitor|internet|mobile data)"
)
_COMPUTER: Final = r"(?:computer|pc|laptop|machine|phone|tablet|ipad|iphone|router|wi-?fi|server|system)"

_NETWORK: Final = (
    rf"(?:send|forward|deliver|drop) (?:{_SOME} )?[\w' ]{{1,40}}? {_SOME} (?:quick |short )?{_MESSAGE}\b.*",
    rf"(?:send|forward) (?:{_SOME} )?(?:[\w']+ )?{_MESSAGE}\b.*",
    rf"(?:e-?mail|mail|text|message|fax) (?:{_SOME} )?[\w' ]{{1,40}} (?:to|that|about) .+",
    r"(?:call|get|hail|order|book|find) (?:me )?(?:an? )(?:taxi|cab|uber|lyft|ride|ambulance|plumber|doctor)\b.*",
    rf"(?:post|tweet|share|upload|publish) .+ (?:on|to|in) {_SITES}\b.*",
    rf"(?:pay|settle) (?:{_SOME} )?[\w' ]*\b(?:bills?|rent|invoices?|taxes|fines?|insurance|mortgage|subscription)\b.*",
    r"(?:transfer|wire|send) [$€£]? ?\d[\d.,]* ?(?:dollars|euros|pounds|bucks|[$€£])? (?:to|from) .+",
    r"order (?:me |us )?(?:pizzas?|sushi|food|takeaway|take-?out|dinner|lunch|groceries|flowers)\b.*",
    rf"(?:sync|synchroni[sz]e) {_THE} .+",
    rf"(?:download|install|update|upgrade) (?:{_SOME} )?[\w' ]*\b(?:apps?|updates?|software|drivers?|firmware|games?"
    rf"|programs?|{_COMPUTER})\b.*",
    r"(?:reserve|book) (?:me )?(?:an? |some |the )?[\w' ]*\b(?:table|room|flight|hotel|seat|tickets?|appointment)\b.*",
    r"(?:unsubscribe|subscribe) (?:me )?(?:from|to) .+|(?:log|sign) me (?:in|out|up)\b.*",
)
_CHORES: Final = (
    rf"(?:feed|walk|wash|brush|groom|iron|fold|water|mow|sweep|mop|dust|tidy|repair|fix) {_THE} "
    r"(?:[\w']+ )?(?:cat|dog|cats|dogs|fish|bird|hamster|pets?|baby|plants?|flowers?|garden|lawn|grass|car|bike|clothes"
    r"|laundry|dishes|floor|floors|carpet|windows?|room|kitchen|bathroom|house|flat|shirt|shirts|tap|sink|roof)\b.*",
)
_HANDS: Final = (
    r"put (?:the )?kettle on|put on (?:the )?kettle",
    rf"(?:make|brew|cook|bake|prepare|fetch|bring|get|pour|fix) (?:me|us) (?:{_SOME} )?(?:[\w']+ )?(?:(?:cup|glass|mug"
    rf"|slice|bowl) of )?{_DISH}(?: (?:please|now|for|with|and|in|at|to)\b.*)?",
    r"(?:take|snap|shoot|make) (?:an? |my |our |the )?(?:picture|photo|photograph|selfie|screenshot|video)"
    rf"(?: of (?:me|us|{_THE} .+))?",
    rf"(?:record|film|videotape) {_THE} (?:conversation|call|meeting|screen|session|lecture|show|movie|match|game)\b.*"
    r"|(?:start|stop) recording\b.*",
    rf"(?:print|scan|fax|photocopy) (?:out )?{_SOME} (?:[\w']+ )?(?:pages?|documents?|photos?|pictures?|files?|letters?"
    r"|forms?|tickets?|receipts?|reports?|contracts?)\b.*",
    rf"(?:start|run|stop|empty|load|unload|fill|clean|park|charge) (?:up )?{_THE} {_MACHINE}\b.*",
    rf"back up {_THE} .+",
    rf"(?:close|open|quit|kill) {_SOME} (?:[\w']+ )?(?:tabs?|apps?|browser|programs?|applications?)\b.*",
    r"(?:open|launch|start) (?:up )?(?:firefox|chrome|safari|edge|spotify|netflix|youtube|steam|word|excel|outlook"
    r"|photoshop|vs ?code|minecraft)\b.*",
    rf"(?:turn|switch) (?:on|off) (?:{_THE} )?{_SETTING}|(?:turn|switch) (?:{_THE} )?{_SETTING} (?:on|off)",
    r"(?:lower|raise) the (?:desk|bed|chair|table)\b.*",
    r"(?:switch|change|flip|turn)(?: the)? channels?\b.*|switch to (?:bbc|itv|cnn|hbo|netflix|channel)\b.*",
    rf"(?:shut down|restart|reboot|log out of|charge|unlock|hibernate) {_THE} {_COMPUTER}\b.*",
    rf"(?:find|locate|ring) {_THE} (?:phone|keys?|wallet|glasses|car|remote|tablet|cat|dog)",
    rf"(?:copy|move|rename|delete|compress|zip|unzip) {_SOME} (?:[\w'.-]+ )?(?:files?|folders?|photos|pictures"
    r"|documents?|downloads)\b.*",
)
_CONVERSATION: Final = re.compile(
    r"(?:delete|erase|forget|wipe|clear) (?:everything|all|anything)(?: of)?(?: that)?(?: which)?"
    r" (?:i|we)(?:'ve| have)? (?:told|said|asked|talked|typed|wrote)\b.*"
    rf"|(?:delete|erase|clear|wipe) {_THE} (?:whole |entire |chat |whole chat )?(?:history|conversations?|chats?)",
    re.IGNORECASE,
)
_BY_NETWORK: Final = re.compile("|".join(f"(?:{p})" for p in _NETWORK), re.IGNORECASE)
_BY_CHORE: Final = re.compile("|".join(f"(?:{p})" for p in _CHORES), re.IGNORECASE)
_BY_HAND: Final = re.compile("|".join(f"(?:{p})" for p in _HANDS), re.IGNORECASE)


def out_of_reach(text: str) -> Call | None:
    """The refusal of a command that nothing here can carry out, for what no rule has taken; None for anything else."""
    if german := beyond_in_german(text):
        return german
    words = plain(text)
    if len(words) > _MAX_CHARS or "\n" in text.strip():
        return None  # a text is brought along: what to do with it is the model's
    if _CONVERSATION.fullmatch(words):
        return Call("system.keeps_history", source="rules")
    if _BY_NETWORK.fullmatch(words):
        return Call("system.needs_network", {"action": words}, source="rules")
    if _BY_CHORE.fullmatch(words):
        return Call("system.needs_hands", {"action": words, "chore": True}, source="rules")
    return Call("system.needs_hands", {"action": words}, source="rules") if _BY_HAND.fullmatch(words) else None


_MAX_CHARS: Final = 120


def no_such_device(text: str) -> Call | None:
    """The refusal of a command to a device that this home does not have, for what neither a rule nor the model has
    taken: "turn on the sauna"."""
    words = plain(text)
    match = _DEVICE.fullmatch(words) if len(words) <= _MAX_CHARS else None
    if match is None:
        return None
    name = next(filter(None, (match[f"name{n}"] for n in (1, 2, 3, 4))))
    if _NO_DEVICE.search(name):
        return None
    return Call("system.no_such_device", {"name": name}, source="rules")


_NAME: Final = r"[a-z][\w'-]*(?: [a-z][\w'-]*){0,2}(?: (?:in|on|at|of) (?:the |my )?[a-z][\w'-]*(?: [a-z][\w'-]*)?)?"
_DEVICE: Final = re.compile(
    rf"(?:turn|switch|power) (?:on|off) (?:the |my )?(?P<name1>{_NAME})"
    rf"|(?:turn|switch|power) (?:the |my )(?P<name2>{_NAME}) (?:on|off)"
    rf"|(?:open|close|shut|lock|unlock|dim|start|stop) (?:the |my )(?P<name3>{_NAME})"
    rf"|(?:set|turn) (?:the |my )(?P<name4>{_NAME}) to \d+ ?(?:degrees?|°c?|percent|%)(?: celsius| fahrenheit)?",
    re.IGNORECASE,
)
_NO_DEVICE: Final = re.compile(  # what is opened, closed and turned on in talk, and on a computer
    r"\b(?:charm|brain|mind|heart|dime|page|deal|gap|files?|conversation|chat|tabs?|news|books?|cases?|debate|questions?"
    r"|discussion|floor|meeting|documents?|letters?|essays?|brackets?|parenthes[ie]s|loop|accounts?|sentences?|story"
    r"|paragraphs?|list|game|war|story|poem|topic|words?|texts?|into|meaning|means|explained|it|that|this|them"
    r"|argument|process|presentation|speech|negotiations?|world|universe|sky|eyes|mouth|alarms?|timers?|reminders?"
    r"|everything|all|something|anything|nothing)\b",
    re.IGNORECASE,
)
