"""A real home: Home Assistant, reached by a process of its own, the only one that may open a network connection.

start.py            the stub starts that process before the lock, only if the settings say so (standard library only)
process.py          the process: locked to TCP, one port, no files, no programs; one address
tls.py              https, to the server of one certificate
websocket.py        RFC 6455, the client's side
home_assistant.py   Home Assistant's WebSocket API: log in, look, act
messages.py         what the app and the process say to each other: typed commands, never text to be understood
actions.py          which service of Home Assistant a command is; how a changed device becomes commands
taking_back.py      which commands make a device again what it was
client.py           RealHome: the app's side, with the functions that tools use of a simulated home

The access token is kept in the encrypted history and handed over through the pipe after it was unlocked.
"""
