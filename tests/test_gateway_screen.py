"""Connecting a real home from the screen: address, token, a restart that opens the conversation again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.widgets import Input

from assistant import config
from assistant.history import ephemeral_history
from assistant.tools import connecting
from assistant.tools.opening import SECRET, TOKEN, Secret
from assistant.tools.records import Records
from assistant.tui.dialogs import AskLine, Confirm
from fakes import ScriptedModel
from tui_chat import opened, services


def test_connect_asks_for_address_and_token_then_for_a_restart(fake_model: ScriptedModel, tmp_path: Path) -> None:
    history = ephemeral_history()
    settings = tmp_path / "settings.toml"

    async def story() -> None:
        async with opened(services(fake_model, history, settings_path=settings)) as chat:
            fake_model.enqueue("Hello.")
            await chat.ask("Hi")
            await chat.send("/connect 192.168.1.20")
            await chat.until(lambda: isinstance(chat.app.screen, AskLine))
            assert chat.app.screen.query_one(Input).password
            chat.app.screen.query_one(Input).value = "t0ken"
            await chat.pilot.press("enter")
            await chat.until(lambda: isinstance(chat.app.screen, Confirm))
            await chat.pilot.press("n")
            noted = connecting.to_resume(Records(history))
            assert noted == chat.screen.chat.conversation.id
            assert connecting.to_resume(Records(history)) == ""

    asyncio.run(story())
    kept = config.load(settings).gateway
    assert kept is not None and (kept.address, kept.port) == ("192.168.1.20", 8123)
    assert "t0ken" not in settings.read_text()
    secret = Records(history).get(SECRET, TOKEN, Secret)
    assert secret is not None and secret.text == "t0ken"
