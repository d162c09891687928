"""From tokens to shown text, from replies to token ids, and frames over a pipe."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.engines import wire, worker
from assistant.engines.encoder import Reply
from assistant.engines.kv_cache import common_prefix
from assistant.engines.pieces import Text, loop_length, loops
from assistant.errors import EngineError, ModelRefusedError, PromptTooLong
from assistant.turn import Turn


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({p % (len(data) + 1) for p in places} | {len(data)})
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]


@given(data=st.binary(max_size=60), places=st.lists(st.integers(0, 100)))
def test_any_bytes_in_any_pieces_become_the_text_that_the_whole_is(data: bytes, places: list[int]) -> None:
    text = Text()
    shown = [text.push(piece) for piece in cut(data, places)] + [text.finish()]
    assert "".join(shown) == data.decode("utf-8", "replace")
    for piece in shown:
        piece.encode()


def test_a_character_is_shown_when_it_is_whole() -> None:
    text = Text()
    assert [text.push(bytes([b])) for b in "é😀".encode()] == ["", "é", "", "", "", "😀"]
    assert text.push(b"\xf0\x9f") + text.finish() == "�"


@given(
    before=st.text("ab<|", max_size=12),
    stop=st.sampled_from(["<|", "ab", "a", "<||>", "aab"]),
    after=st.text("ab<|", max_size=8),
    places=st.lists(st.integers(0, 40)),
)
def test_a_stop_string_is_found_across_pieces_and_never_shown_in_part(
    before: str, stop: str, after: str, places: list[int]
) -> None:
    whole = before + stop + after
    text = Text((stop,))
    shown = "".join([text.push(piece) for piece in cut(whole.encode(), places)] + [text.finish()])
    assert shown == whole[: whole.index(stop)]
    assert text.stopped


@given(whole=st.text("ab<|", max_size=20), places=st.lists(st.integers(0, 40)))
def test_text_without_the_stop_string_is_shown_whole(whole: str, places: list[int]) -> None:
    text = Text(("<end>",))
    assert "".join([text.push(p) for p in cut(whole.encode(), places)] + [text.finish()]) == whole
    assert not text.stopped


def test_the_first_of_several_stop_strings_counts() -> None:
    text = Text(("END", "\nUser:"))
    assert text.push(b"hi\nUse") + text.push(b"r: x END") == "hi"


def test_the_tokenisers_leading_space_is_not_shown() -> None:
    text = Text(strip_first_space=True)
    assert text.push(b" Paris") + text.push(b" is") == "Paris is"


@pytest.mark.parametrize("period", [1, 2, 7, 30, 64, 200, 256])
def test_a_loop_of_any_period_is_found(period: int) -> None:
    start = list(range(1000, 1050))
    cycle = list(range(period))
    assert loops(start + cycle * (loop_length(period) // period + 2))


@pytest.mark.parametrize("period", [1, 7, 30, 256])
def test_fewer_repeats_are_no_loop(period: int) -> None:
    assert not loops(list(range(1000, 1300)) + list(range(period)) * (loop_length(period) // period - 1))


@pytest.mark.parametrize(
    ("period", "tokens"), [(1, 128), (8, 128), (16, 192), (32, 384), (64, 512), (128, 512), (256, 1024)]
)
def test_how_long_a_loop_is(period: int, tokens: int) -> None:
    assert loop_length(period) == tokens


def test_a_matrix_of_zeros_and_a_chorus_are_no_loops() -> None:
    row = [1, *[2, 3] * 10, 4, 5]  # "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0],"
    verse = list(range(100, 160))
    for n_tokens in range(len(row * 10)):
        assert not loops((row * 10)[:n_tokens])
    assert not loops(verse * 4)


@given(st.lists(st.integers(0, 3), max_size=300))
def test_loops_agrees_with_its_definition(tokens: list[int]) -> None:
    def periodic(period: int) -> bool:
        length = max(128, min(12 * period, max(512, 4 * period)))
        tail = tokens[len(tokens) - length :]
        return len(tokens) >= length and all(tail[i] == tail[i - period] for i in range(period, length))

    assert loops(tokens) == any(periodic(p) for p in range(1, 257))


@given(shown=st.lists(st.sampled_from(["", "a", "bc", "déf"]), max_size=12), length=st.integers(0, 40))
def test_the_beginning_of_a_reply_is_whole_tokens_of_that_text(shown: list[str], length: int) -> None:
    reply = Reply()
    for token, text in enumerate(shown):
        reply.push(token, text)
    reply.join()
    tokens, covered = reply.beginning(min(length, len(reply.text)))
    assert covered <= length
    assert tokens == list(range(len(tokens)))
    assert "".join(shown[: len(tokens)]) == reply.text[:covered]
    following = shown[len(tokens) :]
    longer = next((covered + len(text) for text in following if text), None)
    assert longer is None or longer > min(length, len(reply.text))  # no further token would have fitted


@given(st.lists(st.integers(0, 1), max_size=1200), st.lists(st.integers(0, 1), max_size=20), st.integers(0, 1200))
def test_common_prefix(a: list[int], tail: list[int], at: int) -> None:
    b = a[:at] + tail
    expected = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    assert common_prefix(a, b) == expected


# -- frames ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reads, writes = os.pipe()
    yield reads, writes
    for descriptor in (reads, writes):
        try:
            os.close(descriptor)
        except OSError:
            continue


def test_the_first_text_goes_at_once_and_none_is_lost_when_the_reply_breaks(pipe: tuple[int, int]) -> None:
    sender, receiver = wire.Sender(pipe[1]), wire.Receiver(pipe[0], "app")

    def texts() -> Iterator[str]:
        yield "The "
        assert receiver.receive(10) == wire.Piece(7, "The ", 2.5)  # before the second was computed
        yield "capital "
        yield "of "
        raise EngineError("broken")

    turn = Turn()
    turn.usage.end_log_odds = 2.5
    with pytest.raises(EngineError):
        worker._send_pieces(7, texts(), turn, sender)
    rest = ""
    while len(rest) < len("capital of "):
        rest += receiver.receive(10).text
    assert rest == "capital of "


def test_messages_arrive_in_order_and_whole(pipe: tuple[int, int]) -> None:
    sender, receiver = wire.Sender(pipe[1]), wire.Receiver(pipe[0], "app")
    sent = [wire.Piece(1, "héllo"), wire.HeadState("k", bytes(3_000_000)), wire.Counted(2, 5), wire.Piece(3, "")]
    writer = threading.Thread(target=lambda: [sender.send(m) for m in sent])
    writer.start()
    assert [receiver.receive(10) for _ in sent] == sent
    writer.join()


def test_the_end_of_the_pipe_and_silence_are_told_apart(pipe: tuple[int, int]) -> None:
    receiver = wire.Receiver(pipe[0], "app")
    with pytest.raises(TimeoutError):
        receiver.receive(0.01)
    os.write(pipe[1], b"\x05\0\0")
    os.close(pipe[1])
    with pytest.raises(EOFError):
        receiver.receive(1)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"hello", msgspec.msgpack.encode({"type": "Exec", "id": 1}), msgspec.msgpack.encode([1, 2])],
)
def test_garbage_is_refused(pipe: tuple[int, int], body: bytes) -> None:
    os.write(pipe[1], len(body).to_bytes(4, "little") + body)
    with pytest.raises(wire.WireError):
        wire.Receiver(pipe[0], "app").receive(1)


def test_wrong_types_are_refused(pipe: tuple[int, int]) -> None:
    body = msgspec.msgpack.encode({"type": "Piece", "id": "1", "text": "x"})
    os.write(pipe[1], len(body).to_bytes(4, "little") + body)
    with pytest.raises(wire.WireError):
        wire.Receiver(pipe[0], "app").receive(1)


def test_a_frame_above_the_limit_is_neither_sent_nor_read(pipe: tuple[int, int]) -> None:
    with pytest.raises(wire.WireError, match="limit"):
        wire.Sender(pipe[1]).send(wire.HeadState("k", bytes(wire.MAX_FRAME + 1)))
    os.write(pipe[1], (wire.MAX_FRAME + 1).to_bytes(4, "little"))
    with pytest.raises(wire.WireError, match="limit"):
        wire.Receiver(pipe[0], "app").receive(1)


def test_errors_cross_the_pipe_as_themselves() -> None:
    too_long = wire.to_error(wire.failure(1, PromptTooLong([3, 4], 5)))
    assert isinstance(too_long, PromptTooLong)
    assert (too_long.message_tokens, too_long.n_context) == ([3, 4], 5)
    refused = wire.to_error(wire.failure(1, ModelRefusedError("why")))
    assert type(refused) is ModelRefusedError
    assert str(refused) == "why"
    assert type(wire.to_error(wire.Failed(1, "SystemExit", "x"))) is EngineError
