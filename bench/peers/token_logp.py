"""log_softmax(linear) and gather in torch: peer of bench/native/token_logp_bench.cpp."""
import torch
import torch.nn.functional as F
from timing import row, threads

torch.set_num_threads(threads)
peer = "torch " + torch.__version__


def head(N, C, V, trained_w=True):
    x, w, g = torch.rand(N, C) * 2 - 1, torch.rand(V, C) * 2 - 1, torch.rand(N, 1)
    targets = (torch.arange(N) * 7919 % V)[:, None]
    inputs = (x, w) if trained_w else (x,)
    for t in inputs:
        t.requires_grad_()
    shape = f"N {N} C {C} V {V}" + ("" if trained_w else " frozen")

    def forward(_=0):
        return F.log_softmax(F.linear(x, w), -1).gather(1, targets)

    gradients_mb = sum(t.nbytes for t in inputs) / 2**20
    row(peer, "token_logp forward+backward", shape, lambda _: torch.autograd.grad(forward(), inputs, g),
        results_mb=gradients_mb)
    if trained_w:
        with torch.no_grad():
            row(peer, "token_logp forward", shape, forward)


for case in ((512, 512, 32000), (512, 512, 32000, False), (64, 512, 32000), (512, 128, 320), (512, 896, 32000),
             (512, 896, 151936)):
    head(*case)
