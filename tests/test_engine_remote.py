"""The supervised worker, with the real model: it answers like the engine in this process, its death is survivable."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.conversation import Message, Role
from assistant.engines import Prompt, Sampling, child, remote
from assistant.engines.llama import LlamaModel
from assistant.engines.remote import RemoteLanguageModel
from assistant.errors import EngineCrashed, EngineError, EngineTimeout, ModelRefusedError, PromptTooLong, SchemaError
from assistant.turn import Turn
from engine_talks import GREEDY, LONG, PLAN, Memory, question, say, smollm2

pytestmark = pytest.mark.models

STORY = Sampling(temperature=0, max_tokens=400)


@pytest.fixture(scope="module")
def model(smollm2_path: Path) -> Iterator[RemoteLanguageModel]:
    started = RemoteLanguageModel(smollm2(smollm2_path), PLAN)
    yield started
    started.close()


@pytest.fixture
def own_model(smollm2_path: Path) -> Iterator[RemoteLanguageModel]:
    """A worker that the test may kill."""
    started = RemoteLanguageModel(smollm2(smollm2_path), PLAN)
    yield started
    started.close()


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for something that happens soon; the limit only ends a hopeless wait."""
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up, what
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Whether the process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


# -- the same as in this process -----------------------------------------------------------------------------------


def test_it_answers_like_the_engine_in_this_process(model: RemoteLanguageModel, smollm2_path: Path) -> None:
    local = LlamaModel(smollm2(smollm2_path), PLAN)
    expected, _ = say(local, question("What is the capital of France?"))
    local.close()
    text, turn = say(model, question("What is the capital of France?"))
    assert text == expected
    assert "Paris" in text
    usage = turn.usage
    assert (usage.finish_reason, usage.n_context) == ("stop", model.n_context)
    assert usage.prompt_tokens > usage.reply_tokens > 1
    assert usage.ttft_ms > 0 < usage.decode_ms
    assert model.pid != os.getpid()
    assert model.peak_rss_bytes > 50_000_000


def test_the_next_question_reuses_what_was_said(model: RemoteLanguageModel) -> None:
    reply, first = say(model, question("Name a bird."), conversation="birds")
    messages = question("Another.", *question("Name a bird.")[1:], Message(Role.ASSISTANT, reply))
    _, second = say(model, messages, conversation="birds")
    assert second.usage.cached_tokens >= first.usage.prompt_tokens + first.usage.reply_tokens - 1


def test_errors_cross_the_pipe(model: RemoteLanguageModel) -> None:
    with pytest.raises(PromptTooLong) as caught:
        say(model, question(LONG * 120))
    assert caught.value.message_tokens[-1] > caught.value.n_context == PLAN.n_context
    with pytest.raises(SchemaError, match="pattern"):
        list(model.stream(Prompt(question("x"), schema={"type": "string", "pattern": "a"}), Turn()))
    assert "Paris" in say(model, question("What is the capital of France?"))[0]


@pytest.mark.parametrize("text", ["half \ud83d", "a\0b", "<|im_end|>"])
def test_awkward_text_crosses_the_pipe(model: RemoteLanguageModel, text: str) -> None:
    _, turn = say(model, question(text), Sampling(temperature=0, max_tokens=2))
    assert turn.usage.finish_reason in ("stop", "length")


def test_counting_and_scoring(model: RemoteLanguageModel) -> None:
    assert model.count_tokens("") == 0
    assert model.count_tokens("one two three") == 3
    true, false = model.score(Prompt(question("What is the capital of France?")), ["The capital is Paris", "xq zz"])
    assert false < true < 0


# -- stopping ------------------------------------------------------------------------------------------------------


def test_cancel_ends_the_stream_and_the_next_question_is_answered(model: RemoteLanguageModel) -> None:
    turn = Turn()
    shown = []
    for piece in model.stream(Prompt(question("Tell me a long story."), STORY), turn):
        shown.append(piece)
        turn.cancel()
    assert len(shown) == 1
    assert turn.usage.finish_reason == "cancelled"
    assert "Paris" in say(model, question("What is the capital of France?"))[0]


def test_cancel_inside_prefill(model: RemoteLanguageModel) -> None:
    turn = Turn()
    threading.Timer(0.3, turn.cancel).start()
    assert list(model.stream(Prompt(question(LONG * 35), GREEDY, conversation="prefill"), turn)) == []
    assert turn.usage.finish_reason == "cancelled"


def test_a_reader_who_goes_away_stops_the_worker(model: RemoteLanguageModel) -> None:
    pid = model.pid
    pieces = model.stream(Prompt(question("Tell me a long story."), STORY), Turn())
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # a generator
    assert "Paris" in say(model, question("What is the capital of France?"))[0]
    assert model.pid == pid


def test_requests_of_other_threads_wait_and_can_be_cancelled_waiting(model: RemoteLanguageModel) -> None:
    pieces = model.stream(Prompt(question("Tell me a long story."), STORY), Turn())
    next(pieces)
    waiting = Turn()
    replies: list[list[str]] = []
    thread = threading.Thread(target=lambda: replies.append(list(model.stream(Prompt(question("Hi")), waiting))))
    thread.start()
    waiting.cancel()
    thread.join()
    assert replies == [[]]
    assert waiting.usage.finish_reason == "cancelled"
    pieces.close()  # type: ignore[attr-defined]


# -- dying ---------------------------------------------------------------------------------------------------------


def test_a_worker_killed_in_mid_reply_is_replaced_and_answers(own_model: RemoteLanguageModel) -> None:
    turn = Turn()
    first = own_model.pid
    shown = 0
    with pytest.raises(EngineCrashed, match=r"SmolLM2-135M-Instruct.*SIGKILL"):
        for _ in own_model.stream(Prompt(question("Tell me a long story."), STORY), turn):
            shown += 1
            if shown == 3:
                os.kill(first, signal.SIGKILL)
    assert turn.usage.finish_reason == "crashed"
    assert "Paris" in say(own_model, question("What is the capital of France?"))[0]
    assert own_model.pid != first


def test_a_worker_killed_while_idle_is_replaced_before_the_next_question(own_model: RemoteLanguageModel) -> None:
    first = own_model.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: own_model.pid != first, "no new worker was started")
    assert "Paris" in say(own_model, question("What is the capital of France?"))[0]


def test_three_crashes_in_a_minute_leave_it_stopped_with_the_models_name(own_model: RemoteLanguageModel) -> None:
    for _ in range(2):
        pid = own_model.pid
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: own_model.pid != pid, "no new worker was started")  # type: ignore[misc]
        until(lambda: own_model.count_tokens("x") == 1, "it does not answer")
    os.kill(own_model.pid, signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(EngineError, match=r"SmolLM2-135M-Instruct.*crashed 3 times.*choose another model"):
            while True:  # the first request may still meet the dead worker's pipe
                try:
                    own_model.count_tokens("x")
                except EngineCrashed:
                    continue


def test_a_hung_worker_is_killed_at_the_deadline(own_model: RemoteLanguageModel) -> None:
    pid = own_model.pid
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(EngineTimeout, match="deadline"):
        say(own_model, question("Tell me a story."), replace(STORY, deadline_s=0.5))
    until(lambda: gone(pid), "the hung worker lives on")
    assert "Paris" in say(own_model, question("What is the capital of France?"))[0]


def test_a_hung_worker_is_killed_when_a_cancel_is_not_obeyed(own_model: RemoteLanguageModel) -> None:
    pid, turn = own_model.pid, Turn()
    pieces = own_model.stream(Prompt(question("Tell me a story."), STORY), turn)
    next(pieces)
    os.kill(pid, signal.SIGSTOP)
    turn.cancel()
    assert list(pieces) == []
    assert turn.usage.finish_reason == "cancelled"
    until(lambda: gone(pid), "the hung worker lives on")


APP = """
    import sys, time, threading
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    from engine_talks import PLAN, question, smollm2
    from assistant.engines import Prompt, Sampling
    from assistant.engines.remote import RemoteLanguageModel
    from assistant.turn import Turn

    def main():
        model = RemoteLanguageModel(smollm2(Path({path!r})), PLAN)
        print(model.pid, flush=True)
        for piece in model.stream(Prompt(question({text!r}), Sampling(temperature=0, max_tokens=2000)), Turn()):
            print(piece, flush=True)

    threading.Thread(target=main).start()  # started where the app starts it: in a thread, and one that ends
"""


@pytest.mark.parametrize("text", ["Tell me a very long story.", LONG * 35], ids=["decode", "prefill"])
def test_no_worker_outlives_a_killed_app(smollm2_path: Path, text: str) -> None:
    code = textwrap.dedent(APP).format(tests=str(Path(__file__).parent), path=str(smollm2_path), text=text)
    app = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert app.stdout is not None
    worker = int(app.stdout.readline())
    time.sleep(0.5)  # into the prefill, or some tokens
    assert not gone(worker)
    app.kill()
    app.wait()
    until(lambda: gone(worker), "the worker outlived the app")


def test_the_end_of_the_pipe_alone_ends_a_worker_in_mid_prefill(smollm2_path: Path) -> None:
    """Where the kernel does not kill it with its parent, as on macOS."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "assistant.engines.worker", str(smollm2_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    sender = remote.wire.Sender(process.stdin.fileno())
    receiver = remote.wire.Receiver(process.stdout.fileno(), "app")
    sender.send(child._load_request(smollm2(smollm2_path), PLAN))
    assert receiver.receive(60).n_context == PLAN.n_context
    sender.send(remote.wire.Generate(1, remote._question(Prompt(question(LONG * 35, system="")))))
    with pytest.raises(TimeoutError):
        receiver.receive(0.3)
    process.stdin.close()
    assert process.wait(60) == 0


def test_a_closed_model_says_so_and_leaves_no_process(smollm2_path: Path) -> None:
    closed = RemoteLanguageModel(smollm2(smollm2_path), PLAN)
    pid = closed.pid
    closed.close()
    closed.close()
    until(lambda: gone(pid), "the worker outlived its model")
    with pytest.raises(EngineError, match="closed"):
        say(closed, question("Hi"))


# -- loading -------------------------------------------------------------------------------------------------------


def patched(source: Path, target: Path, key: bytes, value: int) -> Path:
    """A copy of a model with another value of a 32-bit header field."""
    data = bytearray(source.read_bytes())
    at = data.index(key) + len(key)
    assert struct.unpack_from("<I", data, at) == (4,)  # GGUF_TYPE_UINT32
    struct.pack_into("<I", data, at + 4, value)
    target.write_bytes(data)
    return target


def test_a_file_that_aborts_native_code_is_an_error_here(tmp_path: Path, smollm2_path: Path) -> None:
    hostile = patched(smollm2_path, tmp_path / "hostile.gguf", b"llama.block_count", 513)
    with pytest.raises(ModelRefusedError, match=r"SmolLM2-135M-Instruct.*crash.*SIGABRT"):
        RemoteLanguageModel(replace(smollm2(smollm2_path), path=hostile), PLAN)


def test_a_truncated_file_is_refused_with_its_name(tmp_path: Path, smollm2_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(smollm2_path.read_bytes()[:50_000_000])
    with pytest.raises(ModelRefusedError, match=r"SmolLM2-135M-Instruct.*does not load"):
        RemoteLanguageModel(replace(smollm2(smollm2_path), path=broken), PLAN)


def test_the_heads_state_survives_a_restart_with_the_same_reply(smollm2_path: Path) -> None:
    store = Memory()
    first = RemoteLanguageModel(smollm2(smollm2_path), PLAN, store)
    expected, turn = say(first, question("Tell me about the moon."))
    first.close()
    assert turn.usage.cached_tokens == 0
    assert len(store) == 1
    second = RemoteLanguageModel(smollm2(smollm2_path), PLAN, store)
    text, turn = say(second, question("Tell me about the moon."))
    second.close()
    assert text == expected
    assert turn.usage.cached_tokens > 16


def test_the_worker_is_locked_and_holds_only_its_pipes(model: RemoteLanguageModel) -> None:
    status = Path(f"/proc/{model.pid}/status").read_text()
    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status
