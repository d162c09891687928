"""What the user chooses and keeps: model, system prompt, personas, colours. Functions on the screen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from assistant import config
from assistant.config import Persona, Settings
from assistant.errors import AssistantError, UsageError
from assistant.text import safe
from assistant.tui import model_switch
from assistant.tui.conversations import halt
from assistant.tui.dialogs import AskLine, AskText, Choose

if TYPE_CHECKING:
    from assistant.tui.chat_screen import ChatScreen


async def change_settings(screen: ChatScreen, **changes: object) -> None:
    """Keep a choice for the next start."""
    settings: Settings = msgspec.structs.replace(screen.services.settings, **changes)
    screen.services.settings = settings
    try:
        await asyncio.to_thread(config.save, settings, screen.services.settings_path)
    except OSError as error:
        raise AssistantError(f"the choice holds for now but could not be saved: {error.strerror}") from error


async def model(screen: ChatScreen, argument: str) -> None:
    installed = await asyncio.to_thread(screen.services.installed_models)
    name = argument
    if not name:
        if not installed:
            raise UsageError("no model is installed; quit and run `assistant models pull NAME`")
        current = screen.model.name if screen.model is not None else ""
        chosen = await screen.app.push_screen_wait(Choose("Which model?", [(n, n) for n in installed], current))
        if chosen is None or chosen == current:
            return
        name = chosen
    screen.app.notify(f"Loading {safe(name, keep_newlines=False)}…", markup=False)
    model_switch.load(screen, name)
    await change_settings(screen, model=name)


async def system(screen: ChatScreen, argument: str) -> None:
    conversation = screen.chat.conversation
    text: str | None = argument
    if not text:
        text = await screen.app.push_screen_wait(AskText("System prompt of this conversation", conversation.system))
    if text is not None:
        await _use_system(screen, text)


async def _use_system(screen: ChatScreen, text: str) -> None:
    await halt(screen)
    screen.chat.conversation.system = text
    if screen.chat.conversation.messages:
        await asyncio.to_thread(screen.history.save_conversation, screen.chat.conversation)
    screen.app.notify("The system prompt holds from the next question on", markup=False)


async def persona(screen: ChatScreen, argument: str) -> None:
    personas = {p.name: p.system for p in screen.services.settings.personas}
    if argument:
        if argument not in personas:
            raise UsageError(f"there is no persona {argument!r}; `/persona` lists them")
        await _use_system(screen, personas[argument])
        return
    options = [(f"use {name}", safe(name, keep_newlines=False)) for name in personas]
    options.append(("save", "+ save the present system prompt as a persona"))
    options += [(f"edit {name}", f"  edit {safe(name, keep_newlines=False)}") for name in personas]
    options += [(f"drop {name}", f"  delete {safe(name, keep_newlines=False)}") for name in personas]
    chosen = await screen.app.push_screen_wait(Choose("Personas", options))
    verb, _, name = (chosen or "").partition(" ")
    if verb == "use":
        await _use_system(screen, personas[name])
        return
    if verb == "save" and (asked := await screen.app.push_screen_wait(AskLine("Name of the persona"))):
        personas[asked] = screen.chat.conversation.system
    elif verb == "edit":
        text = await screen.app.push_screen_wait(AskText(f"Persona {name}", personas[name]))
        personas[name] = personas[name] if text is None else text
    elif verb == "drop":
        del personas[name]
    await change_settings(screen, personas=tuple(Persona(n, s) for n, s in personas.items()))


async def theme(screen: ChatScreen, argument: str) -> None:
    themes = sorted(screen.app.available_themes)
    chosen: str | None = argument
    if not chosen:
        chosen = await screen.app.push_screen_wait(Choose("Theme", [(t, t) for t in themes], screen.app.theme))
    if chosen is None:
        return
    if chosen not in themes:
        raise UsageError(f"there is no theme {chosen!r}; `/theme` lists them")
    screen.app.theme = chosen
    await change_settings(screen, theme=chosen)
