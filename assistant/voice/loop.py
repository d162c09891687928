"""Listening and speaking: the ears, the floor, the answer. One conversation over one pair of devices.

    frame -> utterance events -> recognition and judgement (threads) -> answer (its own thread) -> audio process

The audio process (audio/process.py) hears, ducks and plays; here is decided what was said, whose turn it is and what
to answer. All times inside a turn are samples of the input, so that a file gives the same turns at any pace. At a pace
that no clock drives the loop waits for its threads; with a clock it never does.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from assistant.audio import FRAME
from assistant.audio.device import Audio
from assistant.audio.messages import Badge, Change, DeviceBack, DeviceLost, Event, Frame, Playback, Woken
from assistant.audio.speaker import Speaker
from assistant.audio.utterances import Ended, Resumed, SoftEnd, SpeechStarted, State, Utterances
from assistant.chat import Chat
from assistant.turn import Turn
from assistant.voice import turn_taking
from assistant.voice.announcing import Announcements
from assistant.voice.attention import Attention, Mode
from assistant.voice.events import Answering, Caption, EchoBadge, Level, Notice, Phase, PhaseChanged, VoiceEvent
from assistant.voice.preview import Preview
from assistant.voice.report import Speaking, report
from assistant.voice.turn import rehearse
from assistant.voice.understanding import Engines, Guess, Heard, Manner, Understanding

NOT_CAUGHT = "I did not catch that"
_LEVEL_EVERY = 4  # frames
_NO_SOUND_DB = -100.0
_USUAL = Manner()
_WARM_UP = ("What time is it?", "How many feet are in two meters?", "Turn on the lights.")  # 0.9 s of loading
_STOPPED_S = 1.0  # the longest wait for a cancelled answer to leave the conversation as it was heard


class VoiceLoop:
    """See the head of the file. Commands (mute, press, stop) may come from any thread."""

    def __init__(self, chat: Chat, engines: Engines, audio: Audio, manner: Manner = _USUAL) -> None:
        self._chat, self._engines, self._audio = chat, engines, audio
        self._attention = Attention(manner.mode)
        self._utterances = Utterances()
        self._speaker = Speaker(audio)
        self._threads = ThreadPoolExecutor(5, thread_name_prefix="hearing")
        self._announcements = Announcements(engines.voice, self._speaker)
        self._understanding = Understanding(chat, engines, self._speaker, manner, self._threads)
        self._preview = Preview(chat, engines, manner, self._threads)
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._told: list[VoiceEvent] = []
        self._guess: Guess | None = None
        self._speaking: Speaking | None = None
        self._rehearsal = Turn()
        self._now = self._n_frames = 0
        self._attended = False  # the utterance in progress is for us
        self._over_answer = False  # ... and began while we spoke
        self._muted = self._lost = self._leaving = False
        self._phase: Phase | None = None

    # -- from other threads -------------------------------------------------------------------------------------------

    def mute(self, on: bool) -> None:
        self._commands.put(lambda: self._mute(on))

    def press(self, down: bool) -> None:
        """The push-to-talk key."""
        self._commands.put(lambda: self._attention.key(down, self._now))

    def hush(self) -> None:
        """Stop speaking, as when the user says "stop"."""
        self._commands.put(self._stop_speaking)

    def announce(self, text: str) -> None:
        """Say something that nobody asked for, as soon as nobody else is speaking."""
        self._commands.put(lambda: self._announcements.add(text))

    def leave(self) -> None:
        """End run() at the next frame."""
        self._commands.put(self._leave)

    # -- the loop -----------------------------------------------------------------------------------------------------

    def run(self) -> Iterator[VoiceEvent]:
        """Listen until the input ends or leave(). Raises AudioError when sound is lost for good."""
        self._warm_up()
        try:
            for event in self._audio.events(self._busy):
                self._follow(event)
                if isinstance(event, Frame):
                    self._frame(event)
                    self._keep_step()
                yield from self._tell()
                if self._leaving:
                    return
        finally:
            self._drop_guess()
            self._preview.stop()
            self._stop_speaking()
            self._rehearsal.cancel()
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _warm_up(self) -> None:
        """The first turn shall be as fast as the others: the model reads the head, the rules learn the home's names."""
        reading = self._threads.submit(rehearse, self._chat, self._engines.model, self._rehearsal)
        if self._chat.router is not None:
            for text in _WARM_UP:
                self._chat.router.decide(text)
        reading.result()

    def _busy(self) -> bool:
        """Whether something is still to be said or to be understood when the input has ended."""
        return self._speaking is not None or self._announcements.busy or self._utterances.state is not State.QUIET

    def _follow(self, event: Event) -> None:
        current = isinstance(event, Playback) and self._speaker.plays(event.answer)  # not one that gave way to another
        self._speaker.follow(event)
        match event:
            case Playback(change=Change.BEGUN, now=now) if self._speaking is not None:
                self._speaking.first_sound_at = now
            case Playback(change=Change.STOPPED) if current:
                self._give_up_speaking()
            case Woken(now=now):
                self._attention.woken(now)
                self._attended = True
            case Badge(rung=rung):
                self._told.append(EchoBadge(rung))
            case DeviceLost(words=words):
                self._forget_utterance()  # half of it would be taken for a question once sound is back
                self._lost = True
                self._told += [Level(_NO_SOUND_DB), Notice(words)]
                self._show_phase()
            case DeviceBack(microphone=microphone, speaker=speaker):
                self._lost = False
                self._told.append(Notice(f"sound goes on with {microphone} and {speaker}"))

    def _frame(self, frame: Frame) -> None:
        self._now = frame.now
        self._n_frames += 1
        while not self._commands.empty():
            self._commands.get()()
        self._advance_guess()  # before the frame: what is known now may end the pause with it
        for event in self._utterances.feed(frame.samples, frame.probability):
            match event:
                case SpeechStarted(at=at):
                    self._over_answer = self._speaker.playing and not self._announcements.speaking
                    self._attended = self._speaker.playing or self._attention.listening(at)
                    self._preview.begin(at)
                case SoftEnd() if self._attended:
                    self._preview.stop()
                    self._drop_guess()
                    self._guess = self._understanding.begin(event, self._over_answer)
                    self._rehearsal.cancel()
                case Resumed():
                    self._drop_guess()
                case Ended():
                    self._take_the_floor(event)
        self._look_ahead(frame)
        self._show(frame)
        free = self._speaking is None and self._utterances.state is State.QUIET
        if self._announcements.advance(free):
            self._attention.answered(self._now, "", "?")  # "stop" needs no wake word

    def _tell(self) -> Iterator[VoiceEvent]:
        told, self._told = self._told, []
        yield from told

    # -- hearing ------------------------------------------------------------------------------------------------------

    def _look_ahead(self, frame: Frame) -> None:
        """Follow what is being said to us, unless an answer needs the engines. Without a clock there is no ahead."""
        speaks = self._attended and self._utterances.state is State.SPEAKING
        busy = self._speaking is not None or self._speaker.playing
        if speaks and not busy and self._audio.real_pace and (words := self._preview.follow(frame, self._utterances)):
            self._told.append(Caption(words))

    def _advance_guess(self) -> None:
        """Use what the threads have found out about the last soft end."""
        guess = self._guess
        if guess is None:
            return
        heard = guess.heard()
        if heard is not None and not guess.shown:
            guess.shown = True
            self._told.append(Caption(heard.text))
        if heard is not None and self._speaker.ducked:
            self._hear_interruption(heard.text)
        if (hold_ms := guess.hold_ms()) is not None:
            self._utterances.judge(guess.soft.number, hold_ms)

    def _drop_guess(self) -> None:
        if self._guess is not None:
            self._guess.turn.cancel()
        self._guess = None

    def _hear_interruption(self, text: str) -> None:
        """What the words of an interruption ask for; anything else is left to the audio process's clock."""
        if turn_taking.is_stop(text):
            self._stop_speaking()
        elif not text or turn_taking.is_backchannel(text):
            self._audio.resume()

    def _take_the_floor(self, ended: Ended) -> None:
        """The user has finished: answer, unless nothing was said or it was only a sign of listening."""
        guess, self._guess = self._guess, None
        if guess is None:
            return
        heard = guess.heard(wait=True)
        if heard is None or not heard.text or self._understanding.is_reaction(heard.text, self._over_answer):
            guess.turn.cancel()
            self._tell_rejected(heard)
            return
        if self._speaking is not None:  # the clock said resume, the words say otherwise
            self._stop_speaking()
            self._speaking.answer.finished.wait(_STOPPED_S)
            self._finish_turn(self._speaking)
        self._announcements.give_way(_STOPPED_S)
        answer = heard.answer or self._understanding.answer(heard.text)
        self._speaking = Speaking(answer, guess, ended, self._now)
        answer.commit(self._speaker)

    def _tell_rejected(self, heard: Heard | None) -> None:
        """Something was said and nothing comes of it: on the screen alone, because it may have been the door."""
        if heard is not None and heard.error:
            self._told.append(Notice(heard.error))
        elif heard is not None and not heard.text and not self._over_answer:
            self._told.append(Caption(NOT_CAUGHT))

    # -- speaking -----------------------------------------------------------------------------------------------------

    def _stop_speaking(self) -> None:
        if self._speaker.playing:
            self._audio.stop()  # from here: the answer's thread may take its time
        self._give_up_speaking()

    def _give_up_speaking(self) -> None:
        """What was being said has been stopped."""
        self._announcements.stop()
        if self._speaking is not None:
            self._speaking.answer.cancel()

    def _finish_turn(self, speaking: Speaking) -> None:
        """The answer was played, or stopped: report, and have the model read it while nobody waits."""
        self._speaking = None
        answer = speaking.answer
        if answer.reply is not None:
            self._told.append(Answering(answer.reply, answer.written))
        real = self._audio.real_pace
        self._told.append(report(self._chat, speaking, timed=real))
        self._attention.answered(self._now, answer.question, answer.heard)
        if real:
            self._rehearsal = Turn()
            self._threads.submit(rehearse, self._chat, self._engines.model, self._rehearsal)

    def _keep_step(self) -> None:
        """Without a clock, nothing may depend on how fast the threads are."""
        if self._audio.real_pace:
            return
        if self._guess is not None:
            self._guess.wait()
        self._announcements.keep_step()
        if self._speaking is not None:
            while not (self._speaker.playing or self._speaking.answer.finished.wait(0.001)):
                pass
        if self._speaker.playing:
            self._speaker.wait_ahead(2 * FRAME * self._audio.rate_out_hz // 16_000)

    # -- showing ------------------------------------------------------------------------------------------------------

    def _show(self, frame: Frame) -> None:
        speaking = self._speaking
        if speaking is not None:
            answer = speaking.answer
            if answer.finished.is_set():
                self._finish_turn(speaking)
            elif answer.reply is not None and answer.written != speaking.shown:
                speaking.shown = answer.written
                self._told.append(Answering(answer.reply, answer.written))
        if self._n_frames % _LEVEL_EVERY == 0:
            self._told.append(Level(frame.level_db))
        self._show_phase()

    def _show_phase(self) -> None:
        if (phase := self._current_phase()) is not self._phase:
            self._phase = phase
            self._told.append(PhaseChanged(phase))

    def _current_phase(self) -> Phase:
        if self._lost:
            return Phase.LOST
        if self._speaker.playing:
            return Phase.SPEAKING
        if self._speaking is not None:
            return Phase.THINKING
        if self._muted:
            return Phase.MUTED
        if self._utterances.state in (State.SPEAKING, State.PAUSING) and self._attended:
            return Phase.HEARING
        if self._attention.listening(self._now):
            return Phase.LISTENING
        return Phase.WAITING if self._attention.mode is Mode.PUSH else Phase.ASLEEP

    def _mute(self, on: bool) -> None:
        """What was begun to be said is forgotten: somebody else may have the model and the conversation now."""
        self._muted = on
        if on:
            self._forget_utterance()
            self._rehearsal.cancel()
        self._audio.mute(on)

    def _forget_utterance(self) -> None:
        self._drop_guess()
        self._preview.stop()
        self._utterances.reset()
        self._told.append(Caption(""))

    def _leave(self) -> None:
        self._leaving = True
