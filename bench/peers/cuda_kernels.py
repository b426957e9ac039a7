"""Torch's times beside those of the CUDA kernels, for scripts/gpu-check.sh.

    python3 bench/peers/cuda_kernels.py ROWS.jsonl [--device cpu]

Reads the rows of bench/native/cuda/kernels_bench.cpp and times the same shapes: SDPA by FlashAttention and by cuDNN,
the compiled log-prob head, compiled rms_norm and SwiGLU, matrix products, fused AdamW. One JSON line each, with the
kernel and shape of the row it stands beside. Prints nothing and ends with 3 where torch or the device is missing.
"""

import argparse
import json
import re
import statistics
import sys
import time


def sizes(shape):
    """The numbers of a shape's text: "B=8 S=4096 H=28/4" gives {"B": 8, "S": 4096, "H": 28, "/": 4}."""
    found = {name: int(value) for name, value in re.findall(r"([A-Za-z]+)=(\d+)", shape)}
    if per := re.search(r"=\d+/(\d+)", shape):
        found["/"] = int(per[1])
    return found


class Timer:
    def __init__(self, torch, device):
        self.torch, self.device = torch, device
        self.repeats = 20 if device == "cuda" else 2

    def random(self, *shape):
        return self.torch.randn(*shape, device=self.device, dtype=self.torch.bfloat16)

    def once(self, run):
        """Milliseconds."""
        if self.device != "cuda":
            begin = time.perf_counter()
            run()
            return 1e3 * (time.perf_counter() - begin)
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)

    def time(self, run):
        for _ in range(3):
            run()
        return statistics.median(self.once(run) for _ in range(self.repeats))

    def compiled(self, function):
        return self.torch.compile(function) if self.device == "cuda" else function


def attention(t, s, backward):
    F, nn = t.torch.nn.functional, t.torch.nn.attention
    q = t.random(s["B"], s["H"], s["S"], s["D"])
    k, v = (t.random(s["B"], s["/"], s["S"], s["D"]).repeat_interleave(s["H"] // s["/"], 1) for _ in range(2))
    dout = t.random(*q.shape)
    if backward:
        for x in (q, k, v):
            x.requires_grad_()

    def run():
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        if backward:
            for x in (q, k, v):
                x.grad = None
            out.backward(dout)

    names = {"SDPA flash": "FLASH_ATTENTION", "SDPA cuDNN": "CUDNN_ATTENTION"}
    if t.device != "cuda":
        names = {"SDPA": "MATH"}
    for name, backend in names.items():
        if backend := getattr(nn.SDPBackend, backend, None):
            with nn.sdpa_kernel(backend):
                yield name, run


def token_logp(t, s):
    rows, head = t.random(s["N"], s["C"]), t.random(s["V"], s["C"])
    targets = t.torch.full((s["N"],), 3, device=t.device)

    def logp():
        logits = (rows @ head.T).float()
        return logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(-1)

    yield "compiled", t.compiled(logp)


def rms_norm(t, s):
    x, w = t.random(s["T"], s["C"]), t.random(s["C"])
    yield "compiled", t.compiled(lambda: t.torch.nn.functional.rms_norm(x, (s["C"],), w))


def silu_mul(t, s):
    gate, up = t.random(s["T"], s["F"]), t.random(s["T"], s["F"])
    yield "compiled", t.compiled(lambda: t.torch.nn.functional.silu(gate) * up)


def linear(t, s):
    x, w = t.random(s["T"], s["K"]), t.random(s["N"], s["K"])
    yield "matmul", lambda: x @ w.T


def adamw(t, s):
    p = t.random(s["n"]).requires_grad_()
    p.grad = t.random(s["n"])
    optimizer = t.torch.optim.AdamW([p], fused=True)
    yield "fused, bf16 states", optimizer.step


PEERS = {
    "attention forward": lambda t, s: attention(t, s, False),
    "attention forward+backward": lambda t, s: attention(t, s, True),
    "token_logp": token_logp,
    "rms_norm": rms_norm,
    "silu_mul": silu_mul,
    "linear": linear,
    "adamw": adamw,
}


def beside(t, row):
    """One row's peers. One that torch refuses is left out, with the reason on stderr."""
    peers = PEERS[row["kernel"]](t, sizes(row["shape"]))
    while True:
        try:
            name, run = next(peers)
        except StopIteration:
            return
        try:
            ms = t.time(run)
        except Exception as error:  # torch names missing backends and memory in many ways
            print(f"{row['kernel']}, {name}: {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        line = {"kernel": row["kernel"], "shape": row["shape"], "torch": name, "ms": round(ms, 4)}
        print(json.dumps(line, separators=(",", ":")), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    flags = parser.parse_args()
    try:
        import torch
    except ImportError:
        return 3
    if flags.device == "cuda" and not torch.cuda.is_available():
        return 3
    with open(flags.rows) as file:
        rows = [json.loads(line) for line in file if line.strip()]
    t = Timer(torch, flags.device)
    for row in rows:
        if row.get("kernel") in PEERS and "torch" not in row:
            beside(t, row)
            if flags.device == "cuda":
                torch.cuda.empty_cache()
    return 0


if __name__ == "__main__":
    sys.exit(main())
