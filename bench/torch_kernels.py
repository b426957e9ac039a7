"""Torch's times for the shapes of bench/native/cuda/kernels_bench.cpp, as the same JSON lines; run by gpu-check.sh."""

import json
import statistics

import torch
import torch.nn.functional as F

T, C, FFN, V = 32768, 3584, 18944, 152064


def report(kernel, shape, flops, moved, run, repeats=20):
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    times = []
    for _ in range(repeats):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        run()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    ms = statistics.median(times)
    rate = {"tflops": round(flops / ms / 1e9, 2), "gbps": round(moved / ms / 1e6, 1), "ofFloor": 0}
    line = {"kernel": f"torch {kernel}", "shape": shape, "dtype": "BF16", "ms": round(ms, 4), "msFastest": min(times), **rate}
    print(json.dumps(line, separators=(",", ":")), flush=True)


def random(*shape):
    return torch.randn(*shape, device="cuda", dtype=torch.bfloat16)


def attention():
    batch, length, heads, kv_heads, size = 8, 4096, 28, 4, 128
    q, k, v = random(batch, heads, length, size), random(batch, kv_heads, length, size), random(batch, kv_heads, length, size)
    k, v = (x.repeat_interleave(heads // kv_heads, 1) for x in (k, v))
    flops = 2 * batch * heads * length * length * size
    for name in ("FLASH_ATTENTION", "CUDNN_ATTENTION"):
        backend = getattr(torch.nn.attention.SDPBackend, name, None)
        if backend is None:
            continue
        with torch.nn.attention.sdpa_kernel(backend):
            try:
                report(f"{name} forward", f"B={batch} S={length} D={size} causal", flops, 0,
                       lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True))
            except RuntimeError:
                continue


def main():
    x, w = random(T, C), random(C)
    report("rms_norm", f"T={T} C={C}", 0, 4 * T * C, torch.compile(lambda: F.rms_norm(x, (C,), w)))
    a, b = random(8192, C), random(FFN, C)
    report("linear", f"T=8192 K={C} N={FFN}", 2 * 8192 * C * FFN, 0, lambda: a @ b.T)
    attention()
    rows, head = random(8192, C), random(V, C)
    targets = torch.full((8192,), 3, device="cuda")

    @torch.compile
    def token_logp():
        logits = (rows @ head.T).float()
        return logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(-1)

    report("token_logp", f"N=8192 C={C} V={V}", 2 * 8192 * C * V, 0, token_logp, 5)
    p = random(1 << 28).requires_grad_()
    p.grad = random(1 << 28)
    optimizer = torch.optim.AdamW([p], fused=True)
    report("fused AdamW", "n=2^28, bf16 states", 0, 14 * (1 << 28), optimizer.step)


main()
