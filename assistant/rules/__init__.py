"""What a request means, without a model: which tool, with which arguments.

    understanding.py               all of them in their order: read this first
    table.py, table_en.toml        rules for what the home's sentences lack; of_*.py read their arguments
    wording.py, sayings.py         the same request in words that rules know; Chinese: other_languages.py
    german.py, german_words.py     German put into that English; german_home.py: of devices; german_beyond.py: refusals
    corrections.py                 "five, no wait, ten minutes"
    several.py, beside.py          several actions in one request; an action beside a question
    follow_up*.py                  what refers back: "make it ten minutes", "and in ounces?"
    answered.py                    the answer to what was asked back: "For how long?"
    device_words.py, devices_meant.py   which devices: "everything but the lamp", "a bit warmer"
    meanings.py, named_timers.py   what a matched sentence means as a call; timers told by their name alone
    out_of_reach.py, own.py        what nothing here can do, and what only the user can know: said, not made up
    slots.py                       single arguments read from the words
    replies.py, replies_*.toml     what tools say, in the language of the request

Nothing here acts: a rule returns calls (tools/calls.py), the router runs them.
"""
