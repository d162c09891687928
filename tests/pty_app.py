"""The chat on a scripted model, for tests that start it in a real pseudo-terminal and for looking at it.

    python tests/pty_app.py SCRIPT.json SETTINGS.toml

The script holds `replies` (each a list of pieces), `pause_s` between pieces, and optionally `load_s` and `hangs`: it
does not leave when it is told to. The history is an
ephemeral one: SQLCipher in memory; what it holds is printed in the end.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from assistant import config
from assistant.engines import LanguageModel, Prompt
from assistant.errors import AssistantError, EngineCrashed, ModelMissingError
from assistant.history import ephemeral_history
from assistant.tui import terminal
from assistant.tui.app import ChatApp, run_chat
from assistant.tui.services import Services
from assistant.turn import Turn
from fakes import ScriptedModel


class PacedModel(ScriptedModel):
    """Says what it is told, one piece every `pause_s`. The piece `CRASH` dies as a model process does."""

    def __init__(self, pause_s: float) -> None:
        super().__init__()
        self._pause_s = pause_s

    def stream(self, prompt: Prompt, turn: Turn) -> Iterator[str]:
        cancelled = threading.Event()
        turn.on_cancel(cancelled.set)
        for piece in super().stream(prompt, turn):
            if piece == "CRASH":
                raise EngineCrashed("the model process died; it is being restarted")
            if piece == "BUG":
                raise KeyError("canary in an exception")
            cancelled.wait(self._pause_s)
            if turn.cancelled:
                turn.usage.finish_reason = "cancelled"
                return
            yield piece


def main() -> int:
    script = json.loads(Path(sys.argv[1]).read_text())
    settings_path = Path(sys.argv[2])
    terminal.LEAVE_S = 60.0  # a busy machine takes its time for what is tested: to leave in order
    if script.get("hangs"):
        terminal.LEAVE_S = 0.1
        ChatApp.leave_from_thread = lambda self, exit_code: None

    def open_model(name: str, report: Callable[[str], None]) -> LanguageModel:
        time.sleep(script.get("load_s", 0.0))
        if name == "missing":
            raise ModelMissingError("the model `missing` is not installed; run `assistant models pull missing`")
        model = PacedModel(script.get("pause_s", 0.01))
        model.name = name
        for reply in script["replies"]:
            model.enqueue(reply)
        return model

    history = ephemeral_history()
    services = Services(
        settings=config.load(settings_path),
        settings_path=settings_path,
        history=history,
        open_model=open_model,
        installed_models=lambda: ["scripted", "other", "missing"],
        lock_status=lambda: "locked",
    )
    try:
        code = run_chat(services)
    except AssistantError as error:
        print(f"refused: {error}")
        return error.exit_code
    for summary in history.list():
        for message in history.load(summary.id):
            print("kept", message.role, message.state, json.dumps(message.content))
    print("left with", code)
    return code


if __name__ == "__main__":
    sys.exit(main())
