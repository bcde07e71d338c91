#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""epsim: records which experts a Hugging Face MoE model chooses, as a routing trace.

Without downloads: a tiny Mixtral with random weights on random tokens.
    scripts/record-trace.py --tiny mixtral --output tiny.safetensors
    epsim trace inspect tiny.safetensors

A real model, one sequence per line of the texts, 8192 tokens in all:
    scripts/record-trace.py allenai/OLMoE-1B-7B-0924 poems.txt --max-tokens 8192 \\
      --name olmoe-1b-7b --domain poems --license CC0-1.0 --output olmoe-poems.safetensors
    epsim compare --model olmoe-1b-7b --workload olmoe-poems.safetensors --placement contiguous,lpt

A model in a folder, one sequence per file, on all GPUs (needs the package accelerate):
    scripts/record-trace.py ./my-model book-*.txt --per-file --device auto \\
      --output books.safetensors

Needs Python 3.10 or newer, torch, transformers 5 and numpy. docs/recording.md says more.
"""

import argparse
import json
import os
import random
import struct
import sys

FORMAT, VERSION = "epsim-routing-trace", "1"

# Small enough for a second on one core; all that matters is that the model's own code routes.
TINY = {
    "mixtral": {"num_local_experts": 8, "num_experts_per_tok": 2, "intermediate_size": 48},
    "qwen3_moe": {"num_experts": 16, "num_experts_per_tok": 4, "moe_intermediate_size": 16,
                  "norm_topk_prob": True, "head_dim": 8},
}
TINY_SHAPE = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4,
              "num_key_value_heads": 2, "vocab_size": 256, "max_position_embeddings": 128}


class InputError(Exception):
    """Bad input, told in one sentence."""


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="name on the Hugging Face hub, or a folder")
    parser.add_argument("texts", nargs="*", help="text files, UTF-8")
    parser.add_argument("--output", required=True, metavar="FILE", help="trace (.safetensors)")
    parser.add_argument("--max-tokens", type=int, default=8192, metavar="N",
                        help="tokens in all; the last sequence is cut (default 8192)")
    parser.add_argument("--max-length", type=int, default=1024, metavar="N",
                        help="tokens of a sequence; longer ones are cut (default 1024)")
    parser.add_argument("--per-file", action="store_true",
                        help="a file is a sequence (default: every line that is not empty)")
    parser.add_argument("--device", default="cpu",
                        help="cpu, cuda, cuda:1, ... or auto: spread over what is there")
    parser.add_argument("--name", help="model in the trace (default: from the model's name)")
    parser.add_argument("--domain", default="text", help="kind of text (default: text)")
    parser.add_argument("--source", help="where the text is from (default: names of the files)")
    parser.add_argument("--license", default="not stated", help="licence of the trace")
    parser.add_argument("--tiny", choices=sorted(TINY), metavar="FAMILY",
                        help="instead of a model: a tiny one of this family with random weights, "
                             f"on random tokens ({', '.join(sorted(TINY))})")
    parser.add_argument("--seed", type=int, default=1, help="of --tiny (default 1)")
    options = parser.parse_args()
    if options.tiny and options.model:
        parser.error(f"--tiny makes its own model and tokens, {options.model} has no use")
    if not options.tiny and not options.texts:
        parser.error("a model and at least one text file are needed, or --tiny")
    for word in ("max_tokens", "max_length"):
        if getattr(options, word) < 1:
            parser.error(f"--{word.replace('_', '-')} is {getattr(options, word)}, accepted are "
                         "numbers of at least 1")
    return options


# --- model and tokens -----------------------------------------------------------------------------

def tiny_model(options):
    import torch
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(options.seed)
    config = AutoConfig.for_model(options.tiny, **TINY_SHAPE, **TINY[options.tiny])
    return AutoModel.from_config(config)


def random_sequences(options):
    draw = random.Random(options.seed)
    while True:
        yield [draw.randrange(TINY_SHAPE["vocab_size"]) for _ in range(draw.randint(8, 48))]


def real_model(options):
    from transformers import AutoModelForCausalLM

    placed = {"device_map": "auto"} if options.device == "auto" else {}
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype="auto", **placed)
    # Without the head, which would make a row as long as the vocabulary for every token.
    return (model if placed else model.to(options.device)).base_model


def read_texts(options):
    texts = []
    for path in options.texts:
        try:
            with open(path, encoding="utf-8") as file:
                content = file.read()
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: byte {error.start} is not UTF-8") from error
        texts += [content] if options.per_file else content.splitlines()
    texts = [text.strip() for text in texts if text.strip()]
    if not texts:
        raise InputError("the texts hold nothing but white space")
    return texts


def text_sequences(texts, options):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(options.model)
    return (tokenizer(text)["input_ids"] for text in texts)


def within_limits(sequences, options):
    left = options.max_tokens
    for tokens in sequences:
        tokens = tokens[:min(left, options.max_length)]
        if tokens:
            yield tokens
        left -= len(tokens)
        if left == 0:
            return


# --- recording ------------------------------------------------------------------------------------

def choice(output, top_k):
    """Ids and weights [T, K] out of what a router module returned, None where it is no router.

    The routers of transformers return a tuple that holds, in an order of their own, integers [T, K]
    and as many weights. Llama-4's returns scores [T, E] that are 0 where an expert is not chosen.
    """
    if not isinstance(output, tuple):
        return None
    tensors = [part for part in output if hasattr(part, "is_floating_point") and part.dim() == 2]
    ids = [part for part in tensors if not part.is_floating_point()]
    if len(ids) == 1:
        weights = [part for part in tensors
                   if part.is_floating_point() and part.shape == ids[0].shape]
        return (ids[0], weights[0]) if len(weights) == 1 else None
    for scores in tensors if not ids and top_k else []:
        if ((scores > 0).sum(dim=1) == top_k).all() and (scores >= 0).all():
            weights, chosen = scores.topk(top_k)
            return chosen, weights
    return None


class Recorder:
    """Listens to every router module of a model and keeps its choices, sequence by sequence."""

    def __init__(self, model):
        settings = getattr(model.config, "text_config", model.config)
        self.experts = next(
            (getattr(settings, key) for key in ("n_routed_experts", "num_local_experts",
                                                "num_experts", "moe_num_experts")
             if isinstance(getattr(settings, key, None), int)), None)
        if self.experts is None:
            raise InputError(f"{model.config.model_type} names no experts in its configuration, "
                             "so it is not an MoE model that this script knows")
        self.top_k = getattr(settings, "num_experts_per_tok", None)
        self.names_router_logits = hasattr(settings, "output_router_logits")
        self.layers = {}
        for name, module in model.named_modules():
            kind = type(module).__name__.lower()
            if "router" in kind or "gate" in kind or "gating" in kind:
                module.register_forward_hook(
                    lambda _, __, output, name=name: self.heard(name, output))

    def heard(self, name, output):
        chosen = choice(output, self.top_k)
        numbers = [int(part) for part in name.split(".") if part.isdigit()]
        if chosen is not None and numbers:
            ids, weights = (part.detach().cpu() for part in chosen)
            self.layers.setdefault((numbers[0], name), []).append((ids, weights.float()))

    def check_complete(self, router_logits):
        """Compares with the routers that the model itself knows of (`output_router_logits`)."""
        if router_logits and self.layers and len(router_logits) != len(self.layers):
            raise InputError(f"the model has {len(router_logits)} routers, {len(self.layers)} of "
                             "them returned their choice")

    def arrays(self, tokens):
        """Ids and weights [T, L, K], and the number of the first layer."""
        import numpy as np

        if not self.layers:
            raise InputError("no router of this model returned its choice; the routers of "
                             "transformers 5 do, older ones and some families do not")
        layers = sorted(self.layers)
        numbers = [number for number, _ in layers]
        if len(set(numbers)) != len(numbers):
            raise InputError(f"the routers are in layers {numbers}, a trace holds one router each")
        ids, weights = (
            np.stack([np.concatenate([call[part].numpy() for call in self.layers[layer]])
                      for layer in layers], axis=1)
            for part in (0, 1))
        if ids.shape[0] != tokens:
            raise InputError(f"the routers saw {ids.shape[0]} tokens, the model {tokens}")
        if ids.min() < 0 or ids.max() >= self.experts:
            raise InputError(f"expert ids are {ids.min()}...{ids.max()}, the configuration says "
                             f"{self.experts} experts")
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise InputError("the routers gave weights that are negative or not finite")
        return ids, weights, numbers


def record(model, sequences, report):
    import torch

    recorder = Recorder(model)
    asked = {"output_router_logits": True} if recorder.names_router_logits else {}
    lengths = []
    model.eval()
    with torch.no_grad():
        for tokens in sequences:
            # One sequence at a time: padding would be routed and recorded as well.
            output = model(input_ids=torch.tensor([tokens], device=model.device),
                           use_cache=False, **asked)
            recorder.check_complete(getattr(output, "router_logits", None))
            lengths.append(len(tokens))
            report(f"\r{len(lengths)} sequences, {sum(lengths)} tokens")
    if not lengths:
        raise InputError("the tokenizer made no token of the texts")
    report("\n")
    return recorder, lengths


def safetensors(tensors, metadata):
    """The container's bytes. The package safetensors orders the metadata anew at every run."""
    header, start = {"__metadata__": metadata}, 0
    for name, values in tensors.items():
        kind = {"f": "F", "i": "I"}[values.dtype.kind] + str(8 * values.dtype.itemsize)
        header[name] = {"dtype": kind, "shape": values.shape,
                        "data_offsets": [start, start + values.nbytes]}
        start += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text,
                     *(values.tobytes() for values in tensors.values())])


def write(options, recorder, lengths):
    import numpy as np

    ids, weights, layers = recorder.arrays(sum(lengths))
    name = (f"tiny-{options.tiny}" if options.tiny
            else os.path.basename(os.path.abspath(options.model)))
    source = (f"random tokens, random weights, seed {options.seed}" if options.tiny
              else ", ".join(os.path.basename(path) for path in options.texts))
    gaps = layers != list(range(layers[0], layers[0] + len(layers)))
    content = safetensors(
        {
            "expert_weights": weights.astype("<f4"),
            "sequence_lengths": np.asarray(lengths, dtype="<i4"),
            "expert_ids": ids.astype("<i2" if recorder.experts <= 2**15 else "<i4"),
        },
        {
            "format": FORMAT, "version": VERSION, "experts": str(recorder.experts),
            "top_k": str(ids.shape[2]), "layers": str(ids.shape[1]),
            "first_layer": str(layers[0]), "model": options.name or name.lower(),
            "domain": "random" if options.tiny else options.domain,
            "source": options.source or source, "license": options.license,
            **({"layer_numbers": ",".join(map(str, layers))} if gaps else {}),
        })
    part = f"{options.output}.part"
    try:
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, options.output)
    finally:
        if os.path.exists(part):
            os.remove(part)
    print(f"{options.output}: {ids.shape[0]} tokens in {len(lengths)} sequences, layers "
          f"{layers[0]}-{layers[-1]}, top-{ids.shape[2]} of "
          f"{recorder.experts} experts, {len(content) / 1000:.0f} kB")


def main():
    options = arguments()
    try:
        # What can be wrong is looked at before a model is loaded, which may take long.
        folder = os.path.dirname(options.output) or "."
        if not os.path.isdir(folder):
            raise InputError(f"{options.output}: there is no folder {folder}")
        if os.path.isdir(options.output):
            raise InputError(f"{options.output} is a folder, --output takes the name of a file")
        if options.tiny:
            model, sequences = tiny_model(options), random_sequences(options)
        else:
            sequences = text_sequences(read_texts(options), options)
            model = real_model(options)
        report = sys.stderr.write if sys.stderr.isatty() else lambda _: None
        write(options, *record(model, within_limits(sequences, options), report))
    except ModuleNotFoundError as error:
        sys.exit(f"record-trace: the Python package {error.name} is missing, "
                 "pip install torch transformers numpy brings it")
    except (InputError, OSError, ValueError) as error:
        # The libraries' errors go on with advice over many lines.
        sentence = str(error).strip().splitlines()[0]
        if getattr(error, "filename", None):
            sentence = f"{error.filename}: {error.strerror}"
        print(f"record-trace: {sentence}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
