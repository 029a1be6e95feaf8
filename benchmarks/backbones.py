"""What the foundation models cost at their real size: forward, memory, a step of training.

Weights are random, since time and memory do not depend on their values. Each model runs in a
process of its own, so that its peak memory is its own. A step of training is forward and backward
of one anchor with LoRA and 4 x 16 auxiliary tokens.

What extraction adds to a bare loop over the same module is measured by ``--bare-loop`` alone, in
CPU seconds, which tell the same on a machine that does other work.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import torch
from reporting import machine, markdown, write
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModel

from adestim.backbone.attention import log_mask_of
from adestim.backbone.embedded import embed_once
from adestim.backbone.forward import encode_in_parts, pack_encoding
from adestim.backbone.lora import LoRASettings, add_lora
from adestim.backbone.registry import find_card
from adestim.encoding import BackboneSpec
from adestim.modalities.clinical.models.language_model import LanguageModel

N_AUXILIARY = 4 * 16
MODELS = {
    "brain-jepa": "fmri",
    "brainlm-111m": "fmri",
    "brainlm-650m": "fmri",
    "brainlm-13m": "fmri",
    "brainmvp": "smri",
    "sam-med3d": "smri",
    "brainiac": "smri",
    "nucleotide-transformer-500m-human-ref": "genetics",
    "nucleotide-transformer-v2-500m-multi-species": "genetics",
    "dnabert-2-117m": "genetics",
    "all-minilm-l6-v2": "clinical",
    "clinicalbert": "clinical",
    "llama-2-7b": "clinical",
    "tinyllama-1.1b": "clinical",
}
# Sizes of the language models, as their published configurations have them; llama-2-7b needs
# --precision bfloat16 where memory is short.
TEXT_CONFIGS = {
    "all-minilm-l6-v2": ("bert", {"hidden_size": 384, "num_hidden_layers": 6,
                                  "intermediate_size": 1536, "vocab_size": 30522}),
    "clinicalbert": ("bert", {"vocab_size": 28996}),
    "llama-2-7b": ("llama", {"hidden_size": 4096, "num_hidden_layers": 32,
                             "num_attention_heads": 32, "intermediate_size": 11008}),
    "tinyllama-1.1b": ("llama", {"hidden_size": 2048, "num_hidden_layers": 22,
                                 "num_attention_heads": 32, "num_key_value_heads": 4,
                                 "intermediate_size": 5632}),
}  # fmt: skip
LARGEST = "llama-2-7b"
N_WORDS = 256
INPUTS = {
    "brain-jepa": (450, 160),
    "brainlm-111m": (424, 200),
    "brainlm-650m": (424, 200),
    "brainlm-13m": (424, 203),
    "brainmvp": (1, 96, 96, 96),
    "sam-med3d": (1, 128, 128, 128),
    "brainiac": (1, 96, 96, 96),
}
N_DNA_TOKENS = 997
OF_VOLUMES = ("brainmvp", "sam-med3d", "brainiac")


def built(name, device, dtype):
    """Return a model of the released size with random weights."""
    torch.manual_seed(0)
    if name in TEXT_CONFIGS:
        model = text_model(name, dtype)
    else:
        card = find_card(name, MODELS[name])
        model = card.backbone_class()(**card.architecture)
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.02)
    return model.cast(dtype).requires_grad_(False).to(device).eval()


def text_model(name, dtype):
    """Return a language model of the released size, built in its precision."""
    kind, sizes = TEXT_CONFIGS[name]
    if name == LARGEST and dtype == torch.float32:
        raise SystemExit("llama-2-7b needs 27 GB in float32: pass --precision bfloat16")
    body = AutoModel.from_config(AutoConfig.for_model(kind, **sizes), dtype=dtype)
    return LanguageModel(body)


def some_inputs(name, batch_size, device):
    """Return random inputs of the model's shape."""
    rng = np.random.default_rng(0)
    if name in INPUTS:
        shape = (batch_size, *INPUTS[name])
        return torch.from_numpy(rng.normal(size=shape).astype(np.float32)).to(device)
    n_tokens = N_WORDS if name in TEXT_CONFIGS else N_DNA_TOKENS
    return torch.from_numpy(rng.integers(6, 4000, size=(batch_size, n_tokens))).to(device)


def forward(model, inputs):
    """Run the frozen model without auxiliary tokens."""
    with torch.inference_mode():
        tokens = model.embed(inputs)
        return model.encode(tokens, None, tokens.shape[1])


def training_step(model, inputs, auxiliary, gate, embed=None):
    """Run forward and backward with auxiliary tokens that enter through a learned gate."""
    with torch.no_grad():
        own = (embed or model.embed)(inputs)
    opened = torch.ones(own.shape[:2], dtype=torch.bool, device=own.device)
    log_mask = torch.cat([log_mask_of(opened), gate.expand(len(own), N_AUXILIARY)], dim=1)
    tokens = torch.cat([own, auxiliary.expand(len(own), -1, -1).to(own.dtype)], dim=1)
    encoded = model.encode(tokens, log_mask, own.shape[1])
    model.pool(encoded, opened).float().square().mean().backward()


def seconds(run, device, n_runs):
    """Return the best time of some runs, the first not counted."""
    times = []
    for _ in range(n_runs + 1):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def peak_gib(device):
    """Return the largest memory so far: of the GPU, or of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def matmul_flops(device, dtype, size):
    """Return the floating-point operations per second of a large matrix product."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / seconds(lambda: a @ b, device, 5)


def measured(name, device, precision, batch_size, n_runs):
    """Return the figures of one model."""
    dtype = getattr(torch, precision)
    model, inputs = built(name, device, dtype), some_inputs(name, batch_size, device)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        with FlopCounterMode(display=False) as counter:
            forward(model, inputs)
        step = seconds(lambda: forward(model, inputs), device, n_runs)
        memory = peak_gib(device)
        add_lora(model, LoRASettings())
        auxiliary = torch.randn(N_AUXILIARY, model.width, device=device, requires_grad=True)
        gate = torch.full((1,), -2.0, device=device, requires_grad=True)
        training = seconds(lambda: training_step(model, inputs, auxiliary, gate), device, n_runs)
    peak = matmul_flops(device, dtype, 8192 if device.type == "cuda" else 2048)
    return {
        "model": name,
        "parameters, M": round(sum(value.numel() for value in model.parameters()) / 1e6, 1),
        "subjects a second": f"{batch_size / step:.3g}",
        "GFLOP a subject": f"{counter.get_total_flops() / batch_size / 1e9:.0f}",
        "share of a matrix product's speed": f"{counter.get_total_flops() / step / peak:.0%}",
        "peak memory, GiB": f"{memory:.2f}",
        "training step, s a subject": f"{training / batch_size:.3g}",
        "with training, GiB": f"{peak_gib(device):.2f}",
    }


def padded_attention(attention, x):
    """Attend over the whole padded window, as the released code does: the plain form."""
    n, e, w = len(x), attention.edge, attention.window
    grid = F.pad(x.view(n, e, e, e, -1), (0, 0, *((0, w - e) * 3)))
    q, k, v = attention._heads(grid.flatten(1, 3))
    at = q.unflatten(2, (w, w, w))
    places = torch.arange(w, device=x.device)
    offset = places[:, None] - places[None, :] + w - 1
    by_d = torch.einsum("nhdijc,dkc->nhdijk", at, attention.rel_pos_d[offset])
    by_h = torch.einsum("nhdijc,ikc->nhdijk", at, attention.rel_pos_h[offset])
    by_w = torch.einsum("nhdijc,jkc->nhdijk", at, attention.rel_pos_w[offset])
    bias = by_d[:, :, :, :, :, None, None, :] + by_h[:, :, :, :, None, :, None, :]
    bias = bias + by_w[:, :, :, :, None, None, :, :]
    bias = bias.expand(-1, -1, w, w, w, w, w, w).reshape(n, attention.n_heads, w**3, w**3)
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    out = attention.proj(mixed.transpose(1, 2).flatten(2))
    return out.view(n, w, w, w, -1)[:, :e, :e, :e].flatten(1, 3)


def sam_ratio(device, n_runs):
    """Return how much faster windowed attention is over the real rows, and the error."""
    attention = built("sam-med3d", device, torch.float32).blocks[0].attn
    for table in (attention.rel_pos_d, attention.rel_pos_h, attention.rel_pos_w):
        torch.nn.init.normal_(table)
    x = torch.randn(1, 512, 768, device=device)
    with torch.inference_mode():
        error = (attention(x, None) - padded_attention(attention, x)).abs().max().item()
        plain = seconds(lambda: padded_attention(attention, x), device, n_runs)
        ours = seconds(lambda: attention(x, None), device, n_runs)
    return plain / ours, error


def jepa_memory(device):
    """Return the memory in GiB that one block of Brain-JEPA adds, fused and with all pairs."""
    model = built("brain-jepa", device, torch.float32)
    tokens = torch.randn(1, 4500, 768, device=device)
    before = peak_gib(device)
    with torch.inference_mode():
        model.blocks[0](tokens, None)
        fused = peak_gib(device)
        q = torch.randn(1, 12, 4500, 64, device=device)
        pairs = (q @ q.transpose(-1, -2)).softmax(dim=-1) @ q
    return fused - before, peak_gib(device) - before, tuple(pairs.shape)


def times_faster(plain, other, device, n_pairs):
    """Return how many times faster one way is than the plain one: median of pairs in turn."""
    plain(), other()
    pairs = [[once(way, device) for way in (plain, other)] for _ in range(n_pairs)]
    return statistics.median(first / second for first, second in pairs)


def once(run, device):
    """Return the seconds of one run."""
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def channels_last(name, device, n_pairs):
    """Return how many times faster a model is in torch's memory format of channels last."""
    model, inputs = built(name, device, torch.float32), some_inputs(name, 1, device)
    other = built(name, device, torch.float32).to(memory_format=torch.channels_last_3d)
    turned = inputs.to(memory_format=torch.channels_last_3d)
    return times_faster(
        lambda: forward(model, inputs), lambda: forward(other, turned), device, n_pairs
    )


def compiled(name, device, n_pairs):
    """Return how many times faster a model is after torch.compile with its defaults."""
    model, inputs = built(name, device, torch.float32), some_inputs(name, 1, device)
    other = torch.compile(forward)
    return times_faster(
        lambda: forward(model, inputs), lambda: other(model, inputs), device, n_pairs
    )


def known_embedding(name, device, n_pairs):
    """Return how many times faster a step of training is whose subject was embedded before."""
    model, inputs = built(name, device, torch.float32), some_inputs(name, 1, device)
    add_lora(model, LoRASettings())
    auxiliary = torch.randn(N_AUXILIARY, model.width, device=device, requires_grad=True)
    gate = torch.full((1,), -2.0, device=device, requires_grad=True)
    subject = np.zeros(0)

    def known(values):
        return embed_once("benchmark", model, model.embed, values, [subject])

    return times_faster(
        lambda: training_step(model, inputs, auxiliary, gate),
        lambda: training_step(model, inputs, auxiliary, gate, known),
        device,
        n_pairs,
    )


WAYS = {
    "channels last": channels_last,
    "torch.compile": compiled,
    "training step, embedding known": known_embedding,
}


def tried(*arguments):
    """Return a ratio as text; torch.compile does not take every model."""
    try:
        return f"{in_a_process(*arguments):.2f}"
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return "fails"


def ways_text(given):
    """Measure other ways to run the models of volumes, and return the section about them."""
    rows = [
        {"model": name} | {way: tried(*given, "--part", f"{way}:{name}") for way in WAYS}
        for name in OF_VOLUMES
    ]
    return (
        "## Other ways to run the models of volumes\n\n"
        "Times faster than the plain way, one subject, median of pairs of runs in turn. The last "
        "column is a step of training whose subject was embedded before.\n\n"
        + markdown(pd.DataFrame(rows))
    )


def run_bare(model, inputs):
    """Run the module that a model is made of, and nothing around it."""
    with torch.inference_mode():
        if isinstance(model, LanguageModel):
            return model.body(inputs).last_hidden_state
        tokens = model.embed(inputs)
        return model.encode(tokens, None, tokens.shape[1])


def bare_loop(name, device, precision, n_subjects):
    """Return the CPU seconds a subject of extraction and of a bare loop, taken by turns."""
    dtype = getattr(torch, precision)
    model, seconds_of = built(name, device, dtype), {"bare": [], "ours": []}
    for _ in range(n_subjects):
        inputs = some_inputs(name, 1, device)
        start = time.process_time()
        run_bare(model, inputs)
        middle = time.process_time()
        [item] = inputs.cpu().numpy()
        with torch.inference_mode():
            [part] = encode_in_parts(model, [item], device)
        pack_encoding(item, part, BackboneSpec(name))
        seconds_of["bare"].append(middle - start)
        seconds_of["ours"].append(time.process_time() - middle)
    bare, ours = (min(times) for times in seconds_of.values())
    return {
        "model": name,
        "parameters, M": round(sum(value.numel() for value in model.parameters()) / 1e6, 1),
        "input": " x ".join(map(str, item.shape)),
        "bare loop, CPU s a subject": f"{bare:.3g}",
        "extraction, CPU s a subject": f"{ours:.3g}",
        "times the bare loop": f"{ours / bare:.2f}",
        "peak memory, GiB": f"{peak_gib(device):.2f}",
    }


def report_bare_loops(arguments, device):
    """Write what extraction adds to a bare loop, every model in its own process."""
    given = ["--precision", arguments.precision, "--runs", arguments.runs]
    rows = []
    for name in arguments.models:
        rows.append(in_a_process(*given, "--part", f"bare loop:{name}"))
        print(rows[-1], file=sys.stderr, flush=True)
    text = [
        f"# Extraction beside a bare loop, {device_name(device)}, {arguments.precision}",
        "Weights are random, at the real sizes. The bare loop runs the same module (of a language "
        "model, that of transformers) on one subject at a time and throws the output away; "
        "extraction also pools, and hands tokens and vectors over as arrays. Of language models "
        f"the text has {N_WORDS} tokens.",
        markdown(pd.DataFrame(rows)),
        f"CPU seconds of one thread, both in the same process and by turns, best of "
        f"{arguments.runs}; the machine did other work at the same time.",
        machine(),
    ]
    write(f"backbones_bare_loop_{device.type}", "\n\n".join(text))


def in_a_process(*arguments):
    """Run one part of this file in a process of its own and return what it prints as JSON."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def device_name(device):
    """Return the name of what is measured."""
    return torch.cuda.get_device_name() if device.type == "cuda" else "CPU"


def report(arguments, device):
    """Measure all models, each in its own process, and write the result."""
    given = ["--precision", arguments.precision, "--batch-size", arguments.batch_size]
    given += ["--runs", arguments.runs]
    rows = []
    fitting = [name for name in MODELS if name != LARGEST or arguments.precision == "bfloat16"]
    for name in arguments.models or fitting:
        rows.append(in_a_process(*given, "--part", name))
        print(rows[-1], file=sys.stderr, flush=True)
    sam = in_a_process(*given, "--part", "sam-ratio")
    jepa = in_a_process(*given, "--part", "jepa-memory")
    text = [
        f"# Foundation models at their real size, {device_name(device)}, {arguments.precision}",
        __doc__.split("\n", 2)[2].strip(),
        markdown(pd.DataFrame(rows)),
        f"Batches of {arguments.batch_size}, best of {arguments.runs} runs. The share is that of "
        "the speed of one large matrix product, measured in the same process; floating-point "
        "operations as counted by torch.",
        f"SAM-Med3D's windowed attention over the 512 real rows instead of 2744: **{sam[0]:.1f} "
        f"times faster**, largest difference {sam[1]:.1e}.",
        f"One block of Brain-JEPA on 4500 tokens adds {jepa[0]:.2f} GiB fused, "
        f"{jepa[1]:.2f} GiB where all pairs are held.",
        ways_text(given),
        machine(),
    ]
    write(f"backbones_{device.type}", "\n\n".join(text))


def main():
    """Run the benchmark and write ``results/backbones_<device>.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", choices=list(MODELS))
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--bare-loop", action="store_true")
    parser.add_argument("--part", default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if arguments.bare_loop:
        report_bare_loops(arguments, device)
    elif arguments.part is None:
        report(arguments, device)
    elif arguments.part == "sam-ratio":
        print(json.dumps(sam_ratio(device, arguments.runs)))
    elif arguments.part == "jepa-memory":
        print(json.dumps(jepa_memory(device)))
    elif ":" in arguments.part:
        way, name = arguments.part.split(":")
        if way == "bare loop":
            torch.set_num_threads(1)
            found = bare_loop(name, device, arguments.precision, arguments.runs)
        else:
            found = WAYS[way](name, device, arguments.runs)
        print(json.dumps(found))
    else:
        size, runs = arguments.batch_size, arguments.runs
        print(json.dumps(measured(arguments.part, device, arguments.precision, size, runs)))


if __name__ == "__main__":
    main()
