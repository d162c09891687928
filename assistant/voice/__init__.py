"""The spoken conversation. Read loop.py first: events in, whose turn it is, events out.

build.py                        opens the engines, warm; says in words what is missing
preview.py, understanding.py    what is heard while the user speaks, and at a pause before it is known to be the end
turn.py                         one spoken answer: begun, thrown away, or committed
attention.py, turn_taking.py    open microphone, wake word, held key; how long a pause lasts; "stop", "mhm"
announcing.py                   what nobody asked for: a timer that is done
events.py, report.py, keys.py   what is told to whoever shows it; where the time went; keys of other processes
"""
