"""The model's way to a tool, where no rule takes the request; and functions of other programs by JSON schema.

choice.py      a shortlist, scored; the model picks one name or none       likeness.py    what makes the shortlist
adapted.py     the same with a model's adapter: one look                   codes.py       the language of the adapters
arguments.py   the arguments of an adapter's choice, read by code          opening.py     opened when first needed
functions.py, given.py, given_described.py     functions described by JSON schemas, and what of their values stands
                                               in the request
"""
