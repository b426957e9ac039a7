"""torch on the same machine: the same work as bench/native/{attention,token_logp}_bench.cpp, the same JSON lines.

    python bench/peers/ops.py [filter]      RFT_THREADS: threads (default 2)
"""
import json
import os
import statistics
import sys
import time

import torch
import torch.nn.functional as F

threads = int(os.environ.get("RFT_THREADS", "2"))
torch.set_num_threads(threads)
wanted = sys.argv[1] if len(sys.argv) > 1 else ""


def row(kernel, shape, flops, body):
    if wanted not in f"{kernel} {shape}":
        return
    body()
    wall, cpu = [], []
    start = time.perf_counter()
    while len(wall) < 7 or time.perf_counter() - start < 0.5:
        w, c = time.perf_counter(), time.process_time()
        body()
        cpu.append(time.process_time() - c)
        wall.append(time.perf_counter() - w)
    wall.sort()
    at = lambda share: wall[int(share * (len(wall) - 1))] * 1e3
    print(json.dumps(dict(peer="torch " + torch.__version__, kernel=kernel, shape=shape, dtype="f32", threads=threads,
                          p20_ms=at(0.2), p50_ms=at(0.5), p80_ms=at(0.8), cpu_ms=statistics.median(cpu) * 1e3,
                          gflops=flops / at(0.5) * 1e-6)), flush=True)


def attention(heads, kv_heads, D, T):
    q = torch.rand(1, heads, T, D) * 2 - 1
    k, v = (torch.rand(1, kv_heads, T, D) * 2 - 1 for _ in range(2))
    dout = torch.rand(1, heads, T, D) * 2 - 1
    run = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=heads != kv_heads)
    product = T * T * D * heads
    shape = f"T {T} heads {heads}/{kv_heads} D {D}"
    row("attention forward", shape, 2 * product, run)
    for t in (q, k, v):
        t.requires_grad_()
    row("attention forward+backward", shape, 7 * product, lambda: torch.autograd.grad(run(), (q, k, v), dout))


def head(N, C, V, trained_w):
    x, w, g = torch.rand(N, C) * 2 - 1, torch.rand(V, C) * 2 - 1, torch.rand(N, 1)
    targets = (torch.arange(N) * 7919 % V)[:, None]
    run = lambda: F.log_softmax(F.linear(x, w), -1).gather(1, targets)
    product = 2 * N * C * V
    shape = f"N {N} C {C} V {V}" + ("" if trained_w else " frozen")
    if trained_w:
        row("token_logp forward", shape, product, run)
    x.requires_grad_()
    w.requires_grad_(trained_w)
    row("token_logp forward+backward", shape, (3 if trained_w else 2) * product,
        lambda: torch.autograd.grad(run(), (x, w) if trained_w else (x,), g))


for case in ((8, 8, 64, 1024), (8, 8, 128, 1024), (14, 2, 64, 1024), (1, 1, 64, 1024)):
    attention(*case)
for case in ((512, 512, 32000, True), (512, 512, 32000, False), (64, 512, 32000, True), (512, 128, 320, True),
             (512, 896, 151936, True)):
    head(*case)
