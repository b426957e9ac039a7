"""torch matrix products: peer of bench/native/gemm_bench.cpp. Few rows meet the weights of a linear layer."""
import torch
from timing import row, threads

torch.set_num_threads(threads)
torch.set_grad_enabled(False)
peer = "torch " + torch.__version__


def product(kind, m, n, k):
    a = torch.rand(k, m).T if kind == "tn" else torch.rand(m, k)
    b = torch.rand(n, k).T if kind in ("nt", "packed") else torch.rand(k, n)
    out = torch.empty(m, n)
    row(peer, f"gemm {kind}", f"{m}x{n}x{k}", lambda _: torch.mm(a, b, out=out))


for kind in ("nn", "nt", "tn"):
    product(kind, 1024, 1024, 1024)
for m in (1, 2, 4, 6, 8, 12, 16, 64):
    product("packed", m, 4096, 1024)
for m in (1, 8, 64):
    product("packed", m, 512, 128)
