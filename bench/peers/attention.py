"""torch scaled_dot_product_attention: peer of bench/native/attention_bench.cpp."""
import torch
import torch.nn.functional as F
from timing import row, threads

torch.set_num_threads(threads)
peer = "torch " + torch.__version__


def attention(heads, kv_heads, D, T):
    q = torch.rand(1, heads, T, D) * 2 - 1
    k, v = (torch.rand(1, kv_heads, T, D) * 2 - 1 for _ in range(2))
    dout = torch.rand(1, heads, T, D) * 2 - 1
    shape = f"T {T} heads {heads}/{kv_heads} D {D}"

    def forward(_=0):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=heads != kv_heads)

    row(peer, "attention forward", shape, forward)
    for t in (q, k, v):
        t.requires_grad_()
    row(peer, "attention forward+backward", shape, lambda _: torch.autograd.grad(forward(), (q, k, v), dout))


for case in ((8, 8, 64, 1024), (8, 8, 128, 1024), (14, 2, 64, 1024), (1, 1, 64, 1024)):
    attention(*case)
