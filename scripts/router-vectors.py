#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""epsim: records what the routers and losses of Hugging Face transformers give, as JSON.

    python3 -m venv venv
    venv/bin/pip install torch transformers==5.23.0 numpy
    venv/bin/python scripts/router-vectors.py Tests/Fixtures/router-vectors
    venv/bin/pip install transformers==4.57.1
    venv/bin/python scripts/router-vectors.py Tests/Fixtures/router-vectors

The router modules of transformers do the routing, nothing of it is repeated here. Their gate weight
is the identity matrix, so the hidden states ARE the logits; the script checks that bit by bit where
a module returns its logits. Before version 5 the DeepSeek-V3 module filled masked groups with 0
instead of minus infinity: that version writes deepseek-v3-zero-mask.json alone, version 5 the rest.

A token is kept only if its choice is the same when its logits are disturbed by one part in a
million and when the experts are renumbered (inside their groups, and the groups): then no rounding
of exp and no tie, whose order torch does not define, can decide it. The files are the same at every
run with the same versions.
"""

import json
import os
import random
import sys

import numpy as np
import torch
import transformers
from transformers import AutoConfig

MODERN = int(transformers.__version__.split(".")[0]) >= 5


# --- inputs ---------------------------------------------------------------------------------------

KINDS = {
    "random": lambda draw: draw.gauss(0, 1.5),
    "negative": lambda draw: draw.gauss(-6, 1),
    "wide": lambda draw: draw.uniform(-30, 30),
    "huge": lambda draw: 10000 + draw.uniform(-5, 5),
    "tiny": lambda draw: -10000 + draw.uniform(-5, 5),
    "low": lambda draw: -80 + draw.uniform(-4, 4),
}


def float32(values):
    return np.asarray(values, dtype=np.float32)


def draw_logits(draw, kind, experts):
    """[E] logits of three decimals, all different."""
    row = {}
    while len(row) < experts:
        row[round(KINDS[kind](draw), 3)] = None
    row = list(row)
    draw.shuffle(row)
    return float32(row)


def distinct_biases(seed, experts, low, high):
    draw = random.Random(f"bias {seed}")
    return float32(draw.sample([round(low + (high - low) * i / (4 * experts), 4)
                                for i in range(4 * experts)], experts))


# --- the routers of transformers ------------------------------------------------------------------

class Implementation:
    """A router module with the identity as gate weight: `route` maps logits [T, E] to its choice.

    `ordered` says that the module sorts its choices by descending weight. The others
    (torch.topk with sorted=False) are sorted here: by descending weight, then by index.
    """

    def __init__(self, module, config, output, ordered):
        self.module = module(config).float().eval()
        self.output, self.ordered = output, ordered
        gate = getattr(self.module, "classifier", self.module)
        self.experts = gate.weight.shape[0]
        with torch.no_grad():
            for parameter in self.module.parameters():
                parameter.zero_()
            gate.weight.copy_(torch.eye(self.experts))
        self.name = f"{module.__module__}.{module.__qualname__}"

    def set_bias(self, bias):
        with torch.no_grad():
            self.module.e_score_correction_bias.copy_(torch.from_numpy(bias))

    def route(self, logits):
        with torch.no_grad():
            indices, weights, seen = self.output(self.module(torch.from_numpy(logits.copy())))
        if seen is not None:
            assert np.array_equal(seen.numpy(), logits), f"{self.name}: logits are not the inputs"
        indices, weights = indices.numpy().astype(np.int64), weights.numpy()
        if not self.ordered:
            order = np.lexsort((indices, -weights), axis=-1)
            indices = np.take_along_axis(indices, order, -1)
            weights = np.take_along_axis(weights, order, -1)
        return indices, weights


def is_certain(router, logits, bias, groups, draw):
    """Whether the choice of one token [E] survives disturbance and renumbering."""
    experts = len(logits)
    size = experts // groups
    arrange = (lambda chosen: chosen.tolist()) if router.ordered else (
        lambda chosen: sorted(chosen.tolist()))
    expected = arrange(router.route(logits[None])[0][0])
    noise = float32([[draw.uniform(-1, 1) for _ in range(experts)] for _ in range(8)])
    disturbed = logits + noise * (1 + np.abs(logits)) * np.float32(1e-6)
    if any(arrange(chosen) != expected for chosen in router.route(disturbed)[0]):
        return False
    for _ in range(4):
        blocks = [[group * size + i for i in draw.sample(range(size), size)]
                  for group in draw.sample(range(groups), groups)]
        renumbered = np.array(sum(blocks, []))
        if bias is not None:
            router.set_bias(bias[renumbered])
        chosen = renumbered[router.route(logits[renumbered][None])[0][0]]
        if bias is not None:
            router.set_bias(bias)
        if arrange(chosen) != expected:
            return False
    return True


def case(name, router, kinds, bias=None, **rule):
    """One case of a file: the rule in epsim's words, inputs, and what the module gave."""
    entry = {
        "name": name, "class": router.name, "experts": router.experts, "top_k": None,
        "score": "softmax", "softmax_over": "all", "renormalise": False, "epsilon": 0,
        "scaling": 1, "groups": 1, "group_limit": 1, "group_score": "none", "mask": "none",
        "bias": bias, "order": "descending weight" if router.ordered else "sorted here",
    }
    assert not rule.keys() - entry.keys(), rule
    entry.update(rule)
    if bias is not None:
        router.set_bias(bias)
    names, rows = [], []
    for token, kind in enumerate(kind for kind, count in kinds.items() for _ in range(count)):
        for attempt in range(100_000):
            draw = random.Random(f"{name} {token} {attempt}")
            row = draw_logits(draw, kind, router.experts)
            if is_certain(router, row, bias, entry["groups"], draw):
                break
        else:
            raise SystemExit(f"{name}: every {kind} token depends on ties or rounding")
        names.append(kind)
        rows.append(row)
    logits = np.stack(rows)
    indices, weights = router.route(logits)
    assert indices.shape == (len(rows), entry["top_k"]), f"{name}: {indices.shape}"
    assert np.isfinite(weights).all(), name
    return entry | {"kinds": names, "logits": logits, "indices": indices, "weights": weights}


def logits_weights_indices(output):
    logits, weights, indices = output
    return indices, weights, logits


def chosen_scores(output):
    """Llama-4 returns sigmoid scores [T, E] that are 0 where an expert was not chosen."""
    scores, logits = output
    count = int((scores[0] > 0).sum())
    weights, indices = scores.topk(count)
    assert ((scores > 0).sum(dim=1) == count).all(), "a chosen score underflowed"
    return indices, weights, logits


def module(family, name):
    return getattr(__import__(f"transformers.models.{family}.modeling_{family}", fromlist=[name]),
                   name)


def build(family, name, ordered, output=logits_weights_indices, **fields):
    settings = AutoConfig.for_model(fields.pop("model_type", family))
    settings = type(settings)(**fields)
    return Implementation(module(family, name), settings, output, ordered)


def softmax_cases(family, name, models):
    for model, experts, top_k, renormalise, kinds, fields in models:
        router = build(family, name, True, hidden_size=experts, num_experts_per_tok=top_k, **fields)
        yield case(model, router, kinds, top_k=top_k, renormalise=renormalise)


def mixtral():
    kinds = {"random": 12, "negative": 2, "wide": 4, "huge": 2, "tiny": 2}
    yield from softmax_cases("mixtral", "MixtralTopKRouter", [
        ("mixtral-8x7b", 8, 2, True, kinds, {"num_local_experts": 8}),
        ("mixtral-top-1", 8, 1, True, {"random": 4, "wide": 2}, {"num_local_experts": 8}),
    ])


def qwen():
    kinds = {"random": 8, "negative": 2, "wide": 2, "huge": 1, "tiny": 1}
    yield from softmax_cases("qwen2_moe", "Qwen2MoeTopKRouter", [
        ("qwen1.5-moe-a2.7b", 60, 4, False, kinds, {"num_experts": 60, "norm_topk_prob": False}),
    ])
    kinds = {"random": 5, "wide": 1, "huge": 1}
    yield from softmax_cases("qwen3_moe", "Qwen3MoeTopKRouter", [
        ("qwen3-30b-a3b", 128, 8, True, kinds, {"num_experts": 128, "norm_topk_prob": True}),
    ])


def olmoe():
    kinds = {"random": 5, "negative": 2, "wide": 1, "huge": 1, "tiny": 1}
    yield from softmax_cases("olmoe", "OlmoeTopKRouter", [
        ("olmoe-1b-7b", 64, 8, False, kinds, {"num_experts": 64, "norm_topk_prob": False}),
    ])


def gpt_oss():
    for model, experts, kinds in [
        ("gpt-oss-20b", 32, {"random": 10, "negative": 2, "wide": 2, "huge": 2, "tiny": 2}),
        ("gpt-oss-120b", 128, {"random": 4, "wide": 1}),
    ]:
        router = build("gpt_oss", "GptOssTopKRouter", True, hidden_size=experts,
                       num_local_experts=experts, num_experts_per_tok=4)
        yield case(model, router, kinds, top_k=4, softmax_over="selected")


def llama_4():
    for model, experts, kinds in [
        ("llama-4-scout", 16, {"random": 12, "negative": 2, "wide": 2, "huge": 1, "low": 2}),
        ("llama-4-maverick", 128, {"random": 3, "wide": 1}),
    ]:
        router = build("llama4", "Llama4Router", True, chosen_scores, model_type="llama4_text",
                       hidden_size=experts, num_local_experts=experts, num_experts_per_tok=1)
        yield case(model, router, kinds, top_k=1, score="sigmoid")


def deepseek_v2():
    router = build("deepseek_v2", "DeepseekV2TopkRouter", False, hidden_size=160,
                   n_routed_experts=160, num_experts_per_tok=6, n_group=8, topk_group=3,
                   topk_method="group_limited_greedy", routed_scaling_factor=16.0)
    yield case("deepseek-v2", router, {"random": 5, "wide": 2, "huge": 1}, top_k=6,
               scaling=16, groups=8, group_limit=3, group_score="max", mask="zero")
    router = build("deepseek_v2", "DeepseekV2TopkRouter", False, hidden_size=64,
                   n_routed_experts=64, num_experts_per_tok=6, n_group=1, topk_group=1,
                   topk_method="greedy", routed_scaling_factor=1.0)
    yield case("deepseek-v2-lite", router, {"random": 8, "wide": 1, "huge": 1, "tiny": 1}, top_k=6)


NOAUX_TC = {"score": "sigmoid", "renormalise": True, "epsilon": 1e-20}


def deepseek_v3_router(experts, top_k, groups, limit, scaling):
    output = logits_weights_indices if MODERN else lambda output: (*output, None)
    return build("deepseek_v3", "DeepseekV3TopkRouter", False, output, hidden_size=experts,
                 n_routed_experts=experts, num_experts_per_tok=top_k, n_group=groups,
                 topk_group=limit, norm_topk_prob=True, routed_scaling_factor=scaling)


def deepseek_v3():
    if MODERN:
        for model, experts, groups, limit, scaling, kinds in [
            ("deepseek-v3", 256, 8, 4, 2.5,
             {"random": 4, "negative": 1, "wide": 1, "huge": 1, "low": 1}),
            ("kimi-k2", 384, 1, 1, 2.827, {"random": 1}),
        ]:
            yield case(model, deepseek_v3_router(experts, 8, groups, limit, scaling), kinds,
                       bias=distinct_biases(model, experts, 0.0, 0.3), top_k=8, scaling=scaling,
                       groups=groups, group_limit=limit, mask="minus infinity",
                       group_score="top-2 sum", **NOAUX_TC)
    # The closed group has fewer experts than there are choices, so that a mask of 0 decides.
    for name, experts, limit, top_k, low, high in [
        ("noaux-tc-64", 64, 4, 8, 0.0, 0.3),
        ("every-biased-score-negative", 32, 7, 6, -2.0, -1.05),
        ("some-biased-scores-negative", 32, 7, 6, -1.1, -0.6),
    ]:
        yield case(name, deepseek_v3_router(experts, top_k, 8, limit, 2.5),
                   {"random": 4 if experts == 64 else 10}, top_k=top_k, scaling=2.5, groups=8,
                   bias=distinct_biases(name, experts, low, high), group_limit=limit,
                   group_score="top-2 sum", mask="minus infinity" if MODERN else "zero", **NOAUX_TC)


def glm_4_5():
    router = build("glm4_moe", "Glm4MoeTopkRouter", False, hidden_size=160, n_routed_experts=160,
                   num_experts_per_tok=8, n_group=1, topk_group=1, norm_topk_prob=True,
                   routed_scaling_factor=2.5)
    yield case("glm-4.5", router, {"random": 5, "negative": 1, "wide": 1}, top_k=8, scaling=2.5,
               bias=distinct_biases("glm-4.5", 160, -0.1, 0.2), mask="minus infinity",
               group_score="top-2 sum", **NOAUX_TC)


def deepseek_v4():
    rule = {"score": "sqrt-softplus", "renormalise": True, "epsilon": 1e-20, "top_k": 6}
    fields = {"num_experts_per_tok": 6, "scoring_func": "sqrtsoftplus"}
    router = build("deepseek_v4", "DeepseekV4TopKRouter", False, hidden_size=256,
                   n_routed_experts=256, routed_scaling_factor=1.5, **fields)
    kinds = {"random": 3, "wide": 1, "huge": 1, "low": 1}
    yield case("deepseek-v4-flash", router, kinds, scaling=1.5,
               bias=distinct_biases("deepseek-v4-flash", 256, -0.2, 0.4), **rule)

    # Hash layers: the table says which experts, the scores say only with which weights.
    settings = type(AutoConfig.for_model("deepseek_v4"))(
        hidden_size=32, n_routed_experts=32, vocab_size=16, routed_scaling_factor=1.5, **fields)
    draw = random.Random("deepseek-v4 hash")
    table = np.array([draw.sample(range(32), 6) for _ in range(16)])
    tokens = np.array([draw.randrange(16) for _ in range(10)])
    router = Implementation(module("deepseek_v4", "DeepseekV4HashRouter"), settings,
                            logits_weights_indices, True)
    router.module.tid2eid.copy_(torch.from_numpy(table))
    layer = router.module
    router.module = lambda hidden: layer(hidden, torch.from_numpy(tokens))
    logits = np.stack([draw_logits(draw, "random", 32) for _ in tokens])
    indices, weights = router.route(logits)
    yield {"name": "deepseek-v4-hash", "class": router.name, "experts": 32, "selection": "hash",
           "softmax_over": "all", "scaling": 1.5, "groups": 1, "group_limit": 1,
           "group_score": "none", "mask": "none", "bias": None, "order": "of the table",
           "table": table, "token_ids": tokens, "kinds": ["random"] * len(tokens),
           "logits": logits, "indices": indices, "weights": weights} | rule


def switch():
    """Top-1 with a capacity that cuts by position inside each sequence."""
    groups, tokens, experts = 2, 12, 8
    for capacity in (1, 2, 12):
        settings = type(AutoConfig.for_model("switch_transformers"))(
            d_model=experts, num_experts=experts, expert_capacity=capacity, router_bias=False)
        router = Implementation(module("switch_transformers", "SwitchTransformersTop1Router"),
                                settings, None, True)
        draw = random.Random("switch")
        logits = np.stack([[draw_logits(draw, "random", experts) for _ in range(tokens)]
                           for _ in range(groups)])
        with torch.no_grad():
            kept, weights, seen = router.module(torch.from_numpy(logits))
        assert np.array_equal(seen.numpy(), logits)
        indices = torch.where(kept.sum(-1) > 0, kept.argmax(-1), -1)
        yield {"name": f"switch-capacity-{capacity}", "class": router.name, "experts": experts,
               "top_k": 1, "score": "softmax", "softmax_over": "all", "renormalise": False,
               "epsilon": 0, "scaling": 1, "groups": 1, "group_limit": 1, "group_score": "none",
               "mask": "none", "bias": None, "order": "descending weight",
               "tokens_per_sequence": tokens, "capacity": capacity,
               "kinds": ["random"] * (groups * tokens), "logits": logits.reshape(-1, experts),
               "indices": indices.numpy().reshape(-1, 1),
               "weights": weights.numpy().reshape(-1, 1)}


# --- losses ---------------------------------------------------------------------------------------

def losses():
    draw = random.Random("losses")
    mixtral_loss = module("mixtral", "load_balancing_loss_func")
    for name, layers, tokens, experts, top_k, masked in [
        ("mixtral-one-layer", 1, 12, 8, 2, 0), ("mixtral-two-layers", 2, 12, 8, 2, 0),
        ("mixtral-padding", 2, 12, 8, 2, 5), ("olmoe-shape", 1, 6, 64, 8, 0),
    ]:
        logits = np.stack([[draw_logits(draw, "random", experts) for _ in range(tokens)]
                           for _ in range(layers)])
        mask = np.array([0 if token < masked else 1 for token in range(tokens)])
        value = mixtral_loss(tuple(torch.from_numpy(logits)), experts, top_k,
                             torch.from_numpy(mask)[None] if masked else None)
        yield {"name": name, "class": f"{mixtral_loss.__module__}.{mixtral_loss.__qualname__}",
               "loss": "load balancing", "outer": "layers", "experts": experts, "top_k": top_k,
               "counted": mask if masked else None, "logits": logits, "value": value.item()}
    switch_loss = module("switch_transformers", "load_balancing_loss_func")
    z_loss = module("switch_transformers", "router_z_loss_func")
    for name, kind, groups in [("random", "random", 2), ("huge", "huge", 1)]:
        logits = np.stack([[draw_logits(draw, kind, 8) for _ in range(8)] for _ in range(groups)])
        tensor = torch.from_numpy(logits)
        for function, loss, value in [
            (switch_loss, "switch load balancing",
             switch_loss(tensor.softmax(dim=-1), tensor.argmax(dim=-1))),
            (z_loss, "z", z_loss(tensor)),
        ]:
            yield {"name": f"{loss.replace(' ', '-')}-{name}",
                   "class": f"{function.__module__}.{function.__qualname__}", "loss": loss,
                   "outer": "sequences", "experts": 8, "top_k": 1, "counted": None,
                   "logits": logits, "value": value.item()}


# --- files ----------------------------------------------------------------------------------------

def number(value):
    """The shortest decimal that reads back as the same Float32 (at most 9 digits)."""
    value = np.float32(value)
    plain = np.format_float_positional(value, unique=True, trim="-")
    return plain if len(plain) < 16 else np.format_float_scientific(value, unique=True, trim="-")


def text(value):
    if isinstance(value, np.ndarray):
        if value.ndim > 1:
            return "[\n" + ",\n".join(text(row) for row in value) + "]"
        form = number if value.dtype == np.float32 else str
        return "[" + ",".join(form(element) for element in value) + "]"
    return json.dumps(value)


def write(folder, name, family, cases):
    head = {"family": family, "transformers": transformers.__version__,
            "torch": torch.__version__.split("+")[0]}
    lines = [f'"{key}": {text(value)}' for key, value in head.items()]
    bodies = ["{" + ",\n".join(f'"{key}": {text(value)}' for key, value in entry.items()) + "}"
              for entry in cases]
    lines.append('"cases": [\n' + ",\n".join(bodies) + "\n]")
    content = "{" + ",\n".join(lines) + "}\n"
    json.loads(content)
    path = os.path.join(folder, name)
    with open(path + ".part", "w") as file:
        file.write(content)
    os.replace(path + ".part", path)
    print(f"{path}: {len(bodies)} cases, {len(content)} bytes")


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        raise SystemExit(0 if "--help" in sys.argv else 2)
    torch.set_num_threads(1)
    folder = sys.argv[1]
    if not MODERN:
        write(folder, "deepseek-v3-zero-mask.json", "deepseek-v3", deepseek_v3())
        return
    for name, cases in [
        ("mixtral", mixtral), ("deepseek-v2", deepseek_v2), ("deepseek-v3", deepseek_v3),
        ("qwen", qwen), ("gpt-oss", gpt_oss), ("olmoe", olmoe), ("llama-4", llama_4),
        ("glm-4.5", glm_4_5), ("deepseek-v4", deepseek_v4), ("switch", switch),
        ("losses", losses),
    ]:
        write(folder, f"{name}.json", name, cases())


main()
