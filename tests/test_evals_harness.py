"""lm-evaluation-harness with our engine as a model: its command line, and the same answers as our own accuracy task."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evals.accuracy_rows import Choice, own_sets
from evals.accuracy_scoring import lead, score

pytest.importorskip("lm_eval", reason="the extra `evals` is not installed")
pytestmark = [pytest.mark.models, pytest.mark.slow]  # the harness takes seconds to import and to list its tasks

from lm_eval.api.instance import Instance  # noqa: E402

from evals.harness import AssistantLM  # noqa: E402

TASK = """
task: ours
dataset_path: json
dataset_kwargs: {data_files: {test: "%s"}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{query}}\\nAnswer:"
doc_to_choice: "{{choices}}"
doc_to_target: "{{gold}}"
metric_list: [{metric: acc}, {metric: acc_norm}]
"""


@pytest.fixture(scope="module")
def lm(model_home: Path) -> Iterator[AssistantLM]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSISTANT_HOME", str(model_home))
        loaded = AssistantLM("smollm2-135m", n_context=512)
    yield loaded
    loaded.engine.close()


def request(kind: str, *arguments: Any) -> Instance:
    return Instance(request_type=kind, doc={}, arguments=arguments, idx=0)


def test_likelihoods_of_continuations(lm: AssistantLM) -> None:
    text = "The capital of France is"
    asked = [request("loglikelihood", text, " Paris"), request("loglikelihood", text, " Bern")]
    (paris, greedy), (bern, _) = lm.loglikelihood(asked)
    assert greedy
    assert bern < paris < 0
    ((spaced, _),) = lm.loglikelihood([request("loglikelihood", text + " ", "Paris")])
    assert spaced == pytest.approx(paris, rel=1e-3)


def test_a_long_text_is_scored_in_pieces(lm: AssistantLM) -> None:
    sentence = "The keeper of the lighthouse wrote down the weather and the ships. "
    short, long = lm.loglikelihood_rolling([request("r", sentence), request("r", sentence * 60)])
    assert lm.engine.count_tokens(sentence * 60) > lm.engine.n_context
    assert long < short < 0


def test_replies_end_where_the_task_says(lm: AssistantLM) -> None:
    given = {"until": [" seven"], "max_gen_toks": 20}
    (reply,) = lm.generate_until([request("generate_until", "one, two, three, four, five,", given)])
    assert reply == " six,"


def test_the_harness_agrees_with_our_accuracy_on_the_same_rows(
    lm: AssistantLM, model_home: Path, tmp_path: Path
) -> None:
    rows = [row for one in own_sets() for row in one.rows if isinstance(row, Choice)]
    (tmp_path / "rows.jsonl").write_text(
        "".join(json.dumps({"query": r.query, "choices": r.choices, "gold": r.gold}) + "\n" for r in rows)
    )
    (tmp_path / "ours.yaml").write_text(TASK % (tmp_path / "rows.jsonl"))
    command = [sys.executable, "-m", "evals", "lm_eval", "--model", "assistant", "--model_args", "model=smollm2-135m"]
    command += ["--tasks", "ours", "--include_path", str(tmp_path), "--output_path", str(tmp_path / "out")]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
    subprocess.run(command, check=True, env={**os.environ, "ASSISTANT_HOME": str(model_home), **offline})
    (report,) = (tmp_path / "out").rglob("results*.json")
    theirs = json.loads(report.read_text())["results"]["ours"]
    ours = [score(lm.engine, row) for row in rows]
    assert lead(rows[0].query) == rows[0].query + "\nAnswer:"
    assert theirs["acc,none"] == pytest.approx(sum(s.right for s in ours if s) / len(rows), abs=0.005)
    assert theirs["acc_norm,none"] == pytest.approx(sum(bool(s.norm) for s in ours if s) / len(rows), abs=0.005)
