"""All tools by name; arguments checked by code; nothing a tool does can take the chat down.

Covered: a tool that raises, hangs, answers megabytes, returns something else, or whose arguments do not fit. Not
covered: a package's tool runs in this process and can do what this process can; installing it is trusting it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import msgspec

from assistant.errors import AssistantError
from assistant.text import safe
from assistant.tools import ENTRY_POINTS, Level, Missing, Outcome, Surroundings, Tool, ToolError

BUILT_IN: Final = (
    "timers",
    "what_rings",
    "stopwatch",
    "alarms",
    "calculator",
    "chance",
    "units",
    "cooking",
    "calendar_tools",
    "lists",
    "notes",
    "system",
    "home_tools",
    "home_questions",
    "home_steps",
    "writing",
    "events",
)
DEADLINE_S: Final = 10.0
MAX_ANSWER_CHARS: Final = 20_000


class Registry:
    """Tools by name. `problems` are packages whose tools could not be loaded, in words."""

    def __init__(self, tools: Iterable[Tool], problems: Iterable[str] = ()) -> None:
        self.tools: dict[str, Tool] = {tool.name: tool for tool in tools}
        self.problems = tuple(problems)

    def __getitem__(self, name: str) -> Tool:
        return self.tools[name]

    def __iter__(self) -> Iterator[Tool]:
        return iter(self.tools.values())

    def __contains__(self, name: str) -> bool:
        return name in self.tools

    def checked(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """The arguments as the tool's own type; keys it does not have are left out. Raises ToolError."""
        tool = self.tools[name]
        known = {f.encode_name for f in msgspec.structs.fields(tool.arguments)}
        try:
            return msgspec.convert({k: v for k, v in arguments.items() if k in known}, tool.arguments, strict=False)
        except msgspec.ValidationError as error:
            if lacking := re.search(r"missing required field `(\w+)`", str(error)):
                raise Missing(lacking[1], f"What {lacking[1].replace('_', ' ')}?") from None
            if beyond := re.search(r"Expected `\w+` (<=|>=) ([\d.-]+) - at `\$\.(\w+)`", str(error)):
                most = "most" if beyond[1] == "<=" else "least"
                what = beyond[3].replace("_", " ").capitalize()
                raise ToolError(f"{what} can be {float(beyond[2]):g} at {most}, so nothing was done.") from None
            raise ToolError(f"{name} cannot be called like that: {error}") from None

    def level(self, name: str, arguments: Any, surroundings: Surroundings) -> Level:
        """How much of a confirmation this call needs. A package's tool never says so itself."""
        tool = self.tools[name]
        return tool.level(arguments, surroundings) if tool.trusted else Level.CONFIRM

    def run(self, name: str, arguments: Any, surroundings: Surroundings) -> Outcome:
        """Raises ToolError, or what this program's own tools raise on purpose (AssistantError)."""
        tool = self.tools[name]
        if tool.trusted:
            return tool.run(arguments, surroundings)
        return _guarded(tool, arguments)


@cache
def registry() -> Registry:
    """The built-in tools and those of installed packages; a package cannot replace a built-in one."""
    tools = [tool for module in BUILT_IN for tool in import_module(f"assistant.tools.{module}").TOOLS]
    names = {tool.name for tool in tools}
    problems = []
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            found = _loaded(entry)
        except ToolError as error:
            problems.append(str(error))
            continue
        for tool in found:
            if tool.name in names:
                problems.append(f"the tool {tool.name!r} of {entry.value} has a name that is taken; it was left out")
            else:
                names.add(tool.name)
                tools.append(tool)
    return Registry(tools, problems)


def _loaded(entry: EntryPoint) -> list[Tool]:
    try:
        value = entry.load()
        value = value() if callable(value) else value
        found = list(value) if isinstance(value, (list, tuple)) else [value]
    except Exception as error:
        raise ToolError(f"the tools of {entry.value} could not be loaded ({type(error).__name__}: {error})") from error
    for tool in found:
        if not isinstance(tool, Tool) or not (
            isinstance(tool.arguments, type) and issubclass(tool.arguments, msgspec.Struct)
        ):
            raise ToolError(f"{entry.value} offers something that is no tool; it was left out")
        try:
            msgspec.json.schema(tool.arguments)
        except Exception as error:
            raise ToolError(
                f"{tool.name} of {entry.value} takes arguments of no plain kind; it was left out"
            ) from error
    return [_distrusted(tool) for tool in found]


def _distrusted(tool: Tool) -> Tool:
    return Tool(tool.name, tool.summary, tool.arguments, tool.run, tool.level, tool.examples, trusted=False)


def _guarded(tool: Tool, arguments: Any) -> Outcome:
    """Run foreign code in a thread of its own, with a deadline; it gets its arguments and nothing else."""
    result: list[Any] = []

    def call() -> None:
        try:
            result.append(tool.run(arguments, None))  # type: ignore[arg-type]
        except AssistantError as error:
            result.append(error)
        except Exception as error:  # noqa: BLE001 - foreign code
            result.append(ToolError(f"the tool {tool.name} failed: {type(error).__name__}: {str(error)[:200]}"))

    thread = threading.Thread(target=call, name=f"tool {tool.name}", daemon=True)
    thread.start()
    thread.join(DEADLINE_S)
    if not result:
        raise ToolError(f"the tool {tool.name} did not answer within {DEADLINE_S:g} seconds; it was left alone")
    if isinstance(result[0], AssistantError):
        raise ToolError(str(result[0]))
    if not isinstance(result[0], Outcome) or not isinstance(result[0].text, str):
        raise ToolError(f"the tool {tool.name} answered with something that is no text")
    text = safe(result[0].text[:MAX_ANSWER_CHARS])
    cut = " […]" if len(result[0].text) > MAX_ANSWER_CHARS else ""
    return Outcome(text + cut, {})
