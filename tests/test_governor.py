"""The thread governor: a pure state machine, driven by a machine in which each number of threads has a price."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assistant.engines.governor import Governor

Machine = Callable[[int], float]


def quiet(n_threads: int) -> float:
    """Two cores, nobody else: the second thread helps."""
    return {1: 18.0, 2: 10.0}[n_threads]


def one_core_taken(n_threads: int) -> float:
    """Measured: the thread that shares its core makes the other wait at every barrier."""
    return {1: 19.0, 2: 250.0}[n_threads]


def run(governor: Governor, machine: Machine, n_tokens: int) -> list[int]:
    """Decode `n_tokens`; returns the number of threads used for each."""
    used = []
    n_threads = governor.n_threads
    for _ in range(n_tokens):
        used.append(n_threads)
        n_threads = governor.observe(machine(n_threads))
    return used


def time_ms(used: list[int], machine: Machine) -> float:
    return sum(machine(n) for n in used)


def test_quiet_machine_keeps_all_threads() -> None:
    used = run(Governor(2), quiet, 500)
    assert used[:3] == [2, 2, 2]
    assert used.count(1) <= 4  # one look at the alternative, because nothing was known
    assert used[-400:] == [2] * 400


def test_known_calm_speed_needs_no_look_at_the_alternative() -> None:
    assert run(Governor(2, calm_ms=10.0), quiet, 500) == [2] * 500


def test_busy_neighbour_costs_a_thread_after_two_slow_tokens() -> None:
    governor = Governor(2, calm_ms=10.0)
    run(governor, quiet, 100)
    used = run(governor, one_core_taken, 30)
    assert used == [2, 2] + [1] * 28


def test_neighbour_who_was_there_first_is_found_too() -> None:
    used = run(Governor(2), one_core_taken, 100)
    assert used[:30] == [2, 2, 2] + [1] * 27
    assert used[30:].count(2) == 1  # one token, to see whether it is calm again


def test_comes_back_when_the_neighbour_has_gone() -> None:
    governor = Governor(2, calm_ms=10.0)
    run(governor, quiet, 20)
    run(governor, one_core_taken, 50)
    used = run(governor, quiet, 600)
    assert used[-300:] == [2] * 300


def test_looking_whether_it_is_calm_again_is_cheap() -> None:
    governor = Governor(2, calm_ms=10.0)
    run(governor, one_core_taken, 20)
    used = run(governor, one_core_taken, 5000)
    assert time_ms(used, one_core_taken) <= 1.05 * time_ms([1] * 5000, one_core_taken)
    assert 2 in used  # it did look


def test_one_slow_token_is_chance() -> None:
    governor = Governor(2, calm_ms=10.0)
    for token in range(600):
        assert governor.observe(400.0 if token % 7 == 0 else 10.0) == 2


def test_growing_context_is_no_neighbour() -> None:
    """Attention makes tokens slower with depth: 10 ms at first, 15 ms after 4,000 tokens."""
    governor = Governor(2, calm_ms=10.0)
    assert all(governor.observe(10.0 + token * 5.0 / 4000) == 2 for token in range(4000))


def test_slower_machine_is_accepted_after_one_scan() -> None:
    """The clock drops to half (battery): fewer threads do not help, so all are kept."""
    governor = Governor(2, calm_ms=10.0)
    used = run(governor, lambda n: 2 * quiet(n), 500)
    assert used.count(1) <= 4
    assert used[-1] == 2


def test_two_neighbours_on_many_cores() -> None:
    """One thread less does not help when two cores are taken: the scan goes on to half of them."""

    def two_of_eight_taken(n_threads: int) -> float:
        return 80.0 / n_threads if n_threads <= 6 else 300.0

    governor = Governor(8, calm_ms=10.0)
    used = run(governor, two_of_eight_taken, 100)
    assert set(used[30:]) == {4}


@pytest.mark.parametrize("n_threads", [1, 0])
def test_a_single_core_has_nothing_to_govern(n_threads: int) -> None:
    governor = Governor(n_threads)
    assert {governor.observe(ms) for ms in (1.0, 500.0, 2.0, 900.0)} == {1}


def test_always_within_its_bounds() -> None:
    """Whatever the clock says, zero and infinity included."""
    governor = Governor(6)
    samples = [0.0, 1e-9, 1e9, float("inf"), 3.0, 7.5, 0.0, 40.0] * 200
    assert all(1 <= governor.observe(ms) <= 6 for ms in samples)
