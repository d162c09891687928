"""The home: floors, areas, devices and their state; sentences about it; what a command does to it.

model.py       what a home consists of, read from YAML
sentences.py   spoken and typed commands -> intent and slots (hassil and the home-assistant-intents templates)
states.py      intent and slots -> the devices meant and how their state changes
answers.py     intent and slots -> what is said about the devices' state
simulated.yaml the home that is there before the user describes one
"""
