"""Losses, statistics, vocabulary, evaluation: each on a tiny random model, each against its null."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="learning needs the extra: pip install 'homebody[quantize]'")
pytest.importorskip("transformers", reason="learning needs the extra: pip install 'homebody[quantize]'")

import torch

from quantize import formulas, losses
from quantize.evaluate import compare
from quantize.packs import encode, overlap, requests, tool_rows, without_overlap, write_pack
from quantize.precision import Precision, matrix_type
from quantize.runtime import Sampler, open_runtime
from quantize.source import load_source
from quantize.statistics import Statistics, embedding_curvature, gather
from quantize.topology import block_linears
from quantize.train import Run, Schedule, batches, train
from quantize.vocabulary import prune_vocabulary
from quantize_tiny import FFN, HIDDEN, N_LAYERS, vocabulary

torch.set_num_threads(1)  # threads that spin at barriers make a busy machine slower


def text_pack(path: Path) -> Path:
    words = np.random.default_rng(0).choice(["the", "and", "sand", "one", "thing", "water", "are"], 800)
    write_pack(path, iter([{"kind": "text", "text": " ".join(words)}]))
    return path


# Losses


def test_torch_losses_agree_with_the_numpy_worked_case() -> None:
    teacher, student = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[0.8, 1.9, 2.9]])
    label = torch.tensor([2])
    by_numpy = formulas.distillation(student.double().numpy(), teacher.double().numpy(), label.numpy(), 0.5, 2.0)
    assert float(losses.by_logits(teacher, student, label, 0.5, 2.0)) == pytest.approx(by_numpy, rel=1e-5)
    assert float(losses.logits_kl(teacher, student)) == pytest.approx(0.0003986, abs=1e-6)


def test_cached_top_logits_bound_the_divergence_from_below_and_tightly() -> None:
    random = torch.Generator().manual_seed(0)
    teacher, student = torch.randn(5, 200, generator=random) * 3, torch.randn(5, 200, generator=random) * 3
    top, ids = teacher.log_softmax(-1).topk(100)
    rest = torch.log1p(-top.exp().sum(-1))
    full, bound = losses.logits_kl(teacher, student), losses.by_top_logits(top, ids, rest, student)
    assert 0.97 * float(full) < float(bound) <= float(full) + 1e-6


def test_relations_ignore_rotation_and_width_and_features_do_not() -> None:
    x = torch.randn(20, 16, generator=torch.Generator().manual_seed(0))
    rotation = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(1))).Q
    assert float(losses.by_relations(x, x @ rotation)) < 1e-10
    assert float(losses.by_relations(x, torch.cat([x, torch.zeros(20, 4)], 1))) < 1e-10
    assert float(losses.by_features(x, x @ rotation)) > 0.1
    assert float(losses.by_features(x, x @ rotation, rotation.T)) < 1e-10


def test_the_divergence_by_rows_is_the_divergence_and_so_is_its_gradient() -> None:
    random = torch.Generator().manual_seed(0)
    teacher = torch.randn(3, 50, 30, generator=random)
    student = torch.randn(3, 50, 30, generator=random).requires_grad_()
    expected, got = (teacher / 2).log_softmax(-1), (student / 2).log_softmax(-1)
    whole = 4 * (expected.exp() * (expected - got)).sum(-1).mean()
    (wanted,) = torch.autograd.grad(whole, student)
    found = losses.logits_kl(teacher, student, 2.0)
    (gradient,) = torch.autograd.grad(found, student)
    assert float(found.detach()) == pytest.approx(float(whole.detach()), rel=1e-5)
    assert torch.allclose(gradient, wanted, atol=1e-7)


@pytest.mark.parametrize("loss", [losses.logits_kl, losses.by_features, losses.by_relations])
def test_losses_are_float32_whatever_the_model_computed_in(
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
) -> None:
    random = torch.Generator().manual_seed(0)
    teacher, student = torch.randn(6, 40, generator=random).bfloat16(), torch.randn(6, 40, generator=random).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(teacher, student)
    assert found.dtype == torch.float32
    assert torch.equal(found, loss(teacher.float(), student.float()))


# The loop


def test_a_model_learns_the_same_with_bfloat16_products_and_keeps_float32_weights(
    tiny: Path, samples: torch.Tensor, tmp_path: Path
) -> None:
    def curve(precision: Precision) -> list[float]:
        model = load_source(tiny)
        logits: list[torch.dtype] = []

        def loss(ids: torch.Tensor) -> torch.Tensor:
            found = model(input_ids=ids, use_cache=False).logits
            logits.append(found.dtype)
            return losses.by_labels(found[:, :-1], ids[:, 1:])

        groups = [{"params": list(model.parameters()), "lr": 1e-3, "peak": 1e-3}]
        run = Run(lambda step: samples, Schedule(8, 1, 1), tmp_path / precision, precision=precision)
        *_, last = train(model, groups, loss, run)
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        assert set(logits) == {matrix_type(precision, torch.device("cpu"))}
        return last.losses

    exact, rounded = curve("float32"), curve("bfloat16")
    assert exact[-1] < exact[0] - 0.1
    assert rounded == pytest.approx(exact, rel=0.01, abs=0.01)  # the last losses are 400 times smaller than the first
    assert rounded != exact


def test_the_result_is_the_mean_of_the_last_checkpoints_also_after_a_restart(tmp_path: Path) -> None:
    tokens = torch.arange(64) % 7

    def final(name: str, stop_at: int = 0) -> torch.Tensor:
        torch.manual_seed(0)
        layer = torch.nn.Linear(8, 1)
        groups = [{"params": list(layer.parameters()), "lr": 0.1, "peak": 0.1}]
        run = Run(batches(tokens, 2, 8, 0), Schedule(20, 1, 1), tmp_path / name, every=5, n_average=10)
        for progress in train(layer, groups, lambda ids: layer(ids.float()).square().mean(), run):
            seen[progress.step] = layer.weight.detach().clone()
            if progress.step == stop_at:
                break
        return layer.weight.detach()

    seen: dict[int, torch.Tensor] = {}
    once = final("once")
    assert torch.allclose(once, (seen[15] + seen[20]) / 2)
    assert not torch.allclose(once, seen[20])
    final("twice", stop_at=15)
    assert torch.equal(final("twice"), once)


# Statistics


def test_statistics_match_a_direct_computation(tiny: Path, samples: torch.Tensor, statistics: Statistics) -> None:
    model = load_source(tiny).eval()
    name = "model.layers.1.mlp.down_proj"
    seen: list[torch.Tensor] = []
    model.get_submodule(name).register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()[0]))
    with torch.no_grad():
        for sample in samples:
            model(input_ids=sample[None])
    assert torch.allclose(statistics.square[name], torch.cat(seen).square().mean(0), rtol=1e-4)
    assert set(statistics.square) == set(block_linears(model)) == set(statistics.fisher)
    assert (statistics.influence > 0).all()
    assert statistics.taylor[name].shape == (FFN,)
    assert statistics.fisher[name].shape == (HIDDEN,)


def test_the_curvature_of_a_tied_embedding_is_that_of_both_its_uses(tiny: Path, samples: torch.Tensor) -> None:
    model = load_source(tiny).eval()
    generator, expected = torch.Generator().manual_seed(5), torch.zeros(HIDDEN, HIDDEN)
    for sample in samples:  # by another way in: the embedded tokens as the model's input
        embedded = model.get_input_embeddings()(sample).detach().requires_grad_()
        said = model(inputs_embeds=embedded[None], output_hidden_states=True)
        drawn = torch.multinomial(said.logits[0].detach().softmax(-1), 1, generator=generator)[:, 0]
        (gradient,) = torch.autograd.grad(
            torch.nn.functional.cross_entropy(said.logits[0], drawn, reduction="sum"), embedded
        )
        last = said.hidden_states[-1][0].detach()  # behind the final norm
        expected += (last.T @ last + gradient.T @ gradient) / samples.numel()
    found = embedding_curvature(model, samples, "float32", seed=5)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * float(expected.max()))
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    # Both uses weigh as much in the statistics, where only the diagonal is kept.
    table = gather(model, samples, seed=5).table
    assert torch.allclose(table["square"] + table["gradient"], expected.diagonal(), rtol=1e-3)
    assert torch.equal(table["seen"] * samples.numel(), torch.bincount(samples.flatten(), minlength=274).float())


def test_statistics_let_go_of_every_activation(tiny: Path, samples: torch.Tensor) -> None:
    """A hook that holds a tensor with its graph keeps itself alive: gigabytes a pass on a real model."""
    model = load_source(tiny).eval()
    seen: list[weakref.ref[torch.Tensor]] = []
    layers = [*block_linears(model).values()]
    handles = [m.register_forward_hook(lambda m, args, out: seen.append(weakref.ref(args[0]))) for m in layers]
    gather(model, samples)
    for handle in handles:
        handle.remove()
    gc.collect()
    assert len(seen) == len(layers) * len(samples)
    assert [found for ref in seen if (found := ref()) is not None] == []


def test_statistics_survive_a_round_trip_and_name_the_importance_matrix(statistics: Statistics, tmp_path: Path) -> None:
    statistics.save(tmp_path / "s.safetensors")
    again = Statistics.load(tmp_path / "s.safetensors")
    assert all(torch.equal(again.fisher[n], v) for n, v in statistics.fisher.items())
    assert all(torch.equal(again.table[n], v) for n, v in statistics.table.items()) and len(again.table) == 4
    matrix = again.importance_matrix("llama")
    assert len(matrix) == 7 * N_LAYERS
    assert matrix["blk.2.ffn_down.weight"].shape == (FFN,)


# Vocabulary


def test_kept_text_is_tokenised_and_scored_as_before_and_other_text_still_works(tiny: Path, tmp_path: Path) -> None:
    text = "the sand and the thin water"
    with open_runtime(tiny, 128) as runtime:
        before = runtime.tokenize(text)
        full = runtime.score(before, 0).copy()
    kept = prune_vocabulary(tiny, tmp_path / "small.gguf", before.tolist())
    with open_runtime(tmp_path / "small.gguf", 128) as runtime:
        after = runtime.tokenize(text)
        assert [kept[i] for i in after] == before.tolist()
        assert np.allclose(runtime.score(after, 0), full[:, kept], atol=1e-5)
        assert runtime.detokenize(runtime.tokenize("on our shore: Ünïcode")) == "on our shore: Ünïcode"
        assert runtime.n_vocab == len(kept) < len(vocabulary())


# Packs and measuring


def test_training_and_evaluation_share_no_request() -> None:
    assert not set(requests("training", 10**6, 1)) & set(requests("evaluation", 10**6, 2))
    training, evaluation = tool_rows("training", 200, 1), tool_rows("evaluation", 50, 1)
    kept = without_overlap(training, evaluation)  # timers have only numbers, which both may use
    assert overlap(kept, evaluation) == 0
    assert len(kept) > 100


def test_overlap_is_found_and_removed() -> None:
    shared = "This sentence is long enough to be hashed and it is in both packs."
    training = [{"text": "Something else that is long enough to be hashed on its own."}, {"text": "x\n" + shared}]
    evaluation = [{"messages": [{"role": "user", "content": shared.upper()}]}]
    assert overlap(training, evaluation) == 1
    assert without_overlap(training, evaluation) == training[:1]


def test_only_the_assistants_words_are_scored(tiny: Path) -> None:
    row = {"messages": [{"role": "user", "content": "the"}, {"role": "assistant", "content": "and"}]}
    with open_runtime(tiny, 128) as runtime:
        encoded = encode(row, runtime)
        assert runtime.detokenize(encoded.tokens[encoded.scored], special=True) == "and<|im_end|>\n"


def test_identity_is_zero_and_a_missing_permutation_is_caught(tiny: Path, tmp_path: Path) -> None:
    from quantize.gguf_io import export_tensors, open_gguf, write_gguf

    pack = text_pack(tmp_path / "pack.jsonl")
    same = compare(tiny, tiny, pack, 300).metrics()
    assert abs(same["kld_mean"]["value"]) < 1e-6
    assert same["top1_agreement"]["value"] == 1.0
    assert same["ppl_ratio"]["value"] == pytest.approx(1.0, abs=1e-6)
    weights = {n: p.detach().numpy() for n, p in load_source(tiny).named_parameters()}
    tensors = dict(export_tensors(weights, tiny, np.float32))
    original = {t.name: np.array(t.data) for t in open_gguf(tiny).tensors}
    assert all(np.array_equal(tensors[name], original[name]) for name in original)
    for i in range(N_LAYERS):
        tensors[f"blk.{i}.attn_q.weight"] = weights[f"model.layers.{i}.self_attn.q_proj.weight"]
        tensors[f"blk.{i}.attn_k.weight"] = weights[f"model.layers.{i}.self_attn.k_proj.weight"]
    write_gguf(tmp_path / "wrong.gguf", tiny, list(tensors.items()))
    assert compare(tmp_path / "wrong.gguf", tiny, pack, 300).metrics()["kld_mean"]["value"] > 1e-3


def test_sampling_is_repeatable_and_greedy_ignores_the_seed(tiny: Path) -> None:
    with open_runtime(tiny, 128, 3) as runtime:
        prompts = [runtime.tokenize(text) for text in ("the", "and", "on", "water")]
        first, second = (runtime.sample(prompts, 6, Sampler(0.9), seed=1) for _ in range(2))
        assert [a.tolist() for a in first] == [b.tolist() for b in second]
        greedy = [runtime.sample(prompts[:1], 6, Sampler(temperature=0), seed=s)[0].tolist() for s in (1, 2)]
        assert greedy[0] == greedy[1]
        expected = int(runtime.score(np.append(prompts[0], 0).astype(np.int32), len(prompts[0]) - 1)[0].argmax())
        assert greedy[0][0] == expected


def test_a_truncated_file_is_refused_with_a_clear_error(tiny: Path, tmp_path: Path) -> None:
    from assistant.errors import ModelRefusedError
    from quantize.inspection import inspect_file

    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny.read_bytes()[:5000])
    with pytest.raises(ModelRefusedError, match="GGUF"):
        inspect_file(cut)
    with pytest.raises(ModelRefusedError), open_runtime(cut):
        pass
