"""A process that writes a history until it is killed. It prints a line for each message that is acknowledged.

history_writer.py FOLDER ROUND
"""

from __future__ import annotations

import sys
from pathlib import Path

from assistant.conversation import Conversation, Role, State
from assistant.history import open_history


def main() -> None:
    folder, round_number = Path(sys.argv[1]), int(sys.argv[2])
    history = open_history(folder)
    print("open", flush=True)
    for n in range(100_000):
        conversation = Conversation(title=f"round {round_number} talk {n}")
        history.save_conversation(conversation)
        for m in range(4):
            question = conversation.add(Role.USER, f"lantern {round_number}.{n}.{m} " + "word " * (n * 37 % 900))
            history.save_conversation(conversation)
            print(question.id, len(question.content), flush=True)
            reply = conversation.add(Role.ASSISTANT, "", state=State.STREAMING)
            for piece in range(3):
                reply = conversation.update(reply.id, content="harbour " * piece * 20)
                history.save_message(conversation.id, reply)
            reply = conversation.update(reply.id, content="harbour " * 60, state=State.COMPLETE)
            history.save_message(conversation.id, reply)
            print(reply.id, len(reply.content), flush=True)
        if n % 5 == 4:
            history.backup()
        history.state_store.put("head", bytes(20_000))


if __name__ == "__main__":
    main()
