"""The user's documents: read in a sandbox, kept encrypted, found by words and by meaning, answered from with sources.

formats.py     which files are documents
parsers/       one file a format; runs only in worker.py, a locked process for one file
reading.py     start that process, take what it found, say what went wrong
chunks.py      passages of a size that search and models can use
store.py       the encrypted database of documents, chunks and vectors
search.py      words (FTS5) and meaning (embeddings) together
indexing.py    add, refresh, watch
answering.py   what the model is asked, when it is not asked, and the source under the answer

Document text reaches a model only in answering.py, in a prompt without tools; what comes back is text for the screen.
"""
