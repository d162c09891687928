"""This machine and this assistant: battery, memory, disk, processor, model, network; what needs the net says so."""

from __future__ import annotations

import shutil
from typing import Annotated, Final

import msgspec
import psutil

from assistant import paths
from assistant.privacy import sandbox
from assistant.tools import Nothing, Outcome, Surroundings, Tool, ToolError, read_only
from assistant.tools.timekeeping import spoken_s
from assistant.tools.unattended import to_you

Words = Annotated[str, msgspec.Meta(max_length=200)]


class Topic(msgspec.Struct, frozen=True):
    """What cannot be known, or an action that cannot be done, without the internet."""

    topic: Words = ""
    action: Words = ""


def battery(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    state = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if state is None:
        return Outcome("This machine has no battery that I can see.")
    left = "" if state.secsleft is None or state.secsleft < 0 else f", {spoken_s(state.secsleft // 60 * 60)} left"
    plugged = ", plugged in" if state.power_plugged else left
    return Outcome(f"The battery is at {round(state.percent)} %{plugged}.", {"percent": round(state.percent)})


def memory(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    state = psutil.virtual_memory()
    text = f"{_gb(state.available)} of {_gb(state.total)} of memory are available."
    return Outcome(text, {"available_bytes": state.available, "total_bytes": state.total})


def disk(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    home = paths.home()
    at = next(p for p in (home, *home.parents) if p.exists())
    state = shutil.disk_usage(at)
    return Outcome(f"{_gb(state.free)} of {_gb(state.total)} are free on the disk of {at}.", {"free_bytes": state.free})


def processor(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    n_cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    load = psutil.getloadavg()[0]
    return Outcome(f"{n_cores} cores, a load of {load:.1f} over the last minute.", {"cores": n_cores, "load": load})


def model(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    told = surroundings.facts.get("model")
    return Outcome(told() if told else "No model is loaded here.")


def network(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    """What the kernel reports now, in words."""
    lock = sandbox.status()
    stays = "What you say and what I answer stays on this computer."
    if lock.locked:
        said = f"I am offline: the kernel refuses every network connection of this program. {stays}"
    else:
        said = (
            f"I open no connections, but nothing enforces that here: the network lock is {lock.statement}. "
            "`assistant doctor` tells more."
        )
    if gateway := surroundings.facts.get("gateway"):
        said += f" Only the process that speaks to your home may connect, and only to {gateway()}."
    return Outcome(said, {"locked": lock.locked})


def needs_network(arguments: Topic, surroundings: Surroundings) -> Outcome:
    if arguments.action:
        action = to_you(arguments.action)
        raise ToolError(f"I cannot {action}: that would need the internet, and I run without it. Nothing was done.")
    topic = arguments.topic or "that"
    raise ToolError(
        f"I cannot know {topic}: it would need the internet, and I run without it. What I know ends with my training."
    )


class Act(msgspec.Struct, frozen=True):
    """What was asked for, in the user's words."""

    action: Words = ""
    chore: bool = False  # one can be reminded of it


def needs_hands(arguments: Act, surroundings: Surroundings) -> Outcome:
    """A command that nothing here can carry out."""
    action = to_you(arguments.action) or "do that"
    reminder = f" I can remind you: say “remind me at 6 to {arguments.action}”." if arguments.chore else ""
    raise ToolError(f"I cannot {action}: I have no hands and reach no other program. Nothing was done.{reminder}")


class Device(msgspec.Struct, frozen=True):
    """What the user called it."""

    name: Words = ""


def no_such_device(arguments: Device, surroundings: Surroundings) -> Outcome:
    name = to_you(arguments.name)
    raise ToolError(f"There is nothing called “{name}” in this home that I know of, so nothing was done.")


def keeps_history(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    raise ToolError(
        "Nothing was deleted. A conversation is deleted in the list of conversations (Ctrl+R), or with "
        "`assistant history delete`, everything with `assistant history wipe`; what I remember with “forget”."
    )


def no_routine(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    raise ToolError(
        "I do what you say now, or once at a time that you name; not again and again, and not when something happens. "
        "Nothing was set. A reminder may come every day or on weekdays."
    )


class NoTime(msgspec.Struct, frozen=True):
    """A length below zero, without its sign, or a time that no calendar and no clock has."""

    length: Words = ""
    time: Words = ""


def no_such_time(arguments: NoTime, surroundings: Surroundings) -> Outcome:
    if arguments.length:
        raise ToolError(f"I cannot count minus {arguments.length}, so nothing was set.")
    raise ToolError(f"There is no {arguments.time}, so nothing was set.")


class Percent(msgspec.Struct, frozen=True):
    percent: int = 0


def too_much(arguments: Percent, surroundings: Surroundings) -> Outcome:
    raise ToolError(f"{arguments.percent} % there is not: 100 % is the most, so nothing was done.")


def help_text(arguments: Nothing, surroundings: Surroundings) -> Outcome:
    return Outcome(
        "Ask me anything, or tell me: set a timer for 10 minutes; wake me at 7; remind me to call mum tomorrow at 5; "
        "add milk to the shopping list; note that ...; remember that ...; what is 15% of 80; how many miles is 10 km; "
        "how many days until Christmas; add dentist on Friday at 3 to my calendar; translate good night into German; "
        "turn on the kitchen light; what do my documents say about ...; undo. "
        "`assistant explain TEXT` shows what would handle a request."
    )


def _gb(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB"


TOOLS: Final = (
    Tool("system.battery", "tell the battery's charge", Nothing, battery, read_only, ("how much battery is left",)),
    Tool("system.memory", "tell how much memory is free", Nothing, memory, read_only, ("how much memory is free",)),
    Tool("system.disk", "tell how much disk is free", Nothing, disk, read_only, ("how much disk space is left",)),
    Tool("system.processor", "tell the processor's load", Nothing, processor, read_only, ("how busy is the cpu",)),
    Tool("system.model", "tell which model answers", Nothing, model, read_only, ("which model are you",)),
    Tool("system.network", "tell how the network is locked", Nothing, network, read_only, ("are you offline",)),
    Tool("system.needs_network", "live news, weather, prices, sports: cannot be known offline", Topic, needs_network,
         read_only, ("what is the weather in Paris", "latest news")),
    Tool("system.needs_hands", "what only hands or other programs can do", Act, needs_hands, read_only,
         ("feed the cat",), by_model=False),
    Tool("system.no_such_device", "a device that this home does not have", Device, no_such_device, read_only,
         ("turn on the sauna",), by_model=False),
    Tool("system.keeps_history", "conversations are deleted by hand", Nothing, keeps_history, read_only,
         ("delete everything I told you",), by_model=False),
    Tool("system.no_routine", "commands that come again or wait for an event: are not kept", Nothing, no_routine,
         read_only, ("turn on the light every morning",), by_model=False),
    Tool("system.no_such_time", "a length below zero, or a time that does not exist", NoTime, no_such_time, read_only,
         ("set a timer for -5 minutes",), by_model=False),
    Tool("system.too_much", "more than 100 %", Percent, too_much, read_only, ("set the light to 150 %",),
         by_model=False),
    Tool("help", "tell what the assistant can do", Nothing, help_text, read_only, ("what can you do",)),
)  # fmt: skip
