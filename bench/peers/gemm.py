"""torch matrix products: peer of bench/native/gemm_bench.cpp. Few rows meet the weights of a linear layer."""
import torch
from timing import row, threads

torch.set_num_threads(threads)
torch.set_grad_enabled(False)
peer = "torch " + torch.__version__


def product(kind, m, n, k):
    dtype = torch.bfloat16 if kind == "packed bf16" else torch.float32  # ours: fp32 x bf16, summed in fp32
    a = torch.rand(k, m, dtype=dtype).T if kind == "tn" else torch.rand(m, k, dtype=dtype)
    b = torch.rand(k, n, dtype=dtype) if kind in ("nn", "tn") else torch.rand(n, k, dtype=dtype).T
    out = torch.empty(m, n, dtype=dtype)
    row(peer, f"gemm {kind}", f"{m}x{n}x{k}", lambda _: torch.mm(a, b, out=out))


for kind in ("nn", "nt", "tn"):
    product(kind, 1024, 1024, 1024)
for m in (1, 2, 4, 6, 8, 12, 16, 64):
    for kind in ("packed", "packed bf16"):
        product(kind, m, 4096, 1024)
for m in (1, 8, 64):
    product("packed", m, 512, 128)
