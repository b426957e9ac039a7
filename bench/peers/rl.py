"""Policy losses with autograd, and group advantages, in torch as TRL writes them: peer of bench/rl.mjs."""
import math

import torch
from timing import row, threads

torch.set_num_threads(threads)
peer = "torch " + torch.__version__
N, T, G, S = 65536, 256, 4096, 8
B = N // T
logp = -3 * torch.rand(B, T)
old, ref = logp + 0.6 * torch.rand(B, T) - 0.3, logp + 0.6 * torch.rand(B, T) - 0.3
advantages = (4 * torch.rand(B, 1) - 2)
mask, selected = torch.ones(B, T), (torch.rand(B, T) < 0.02).float()
above = advantages > 0


def clip(ratio):
    return -torch.min(ratio * advantages, torch.clamp(ratio, 0.8, 1.28) * advantages)


def mean(x):
    return ((x * mask).sum(-1) / mask.sum(-1).clamp(min=1.0)).unsqueeze(-1)


def sapo(x, delta):
    tau = torch.where(above, 1.0, 1.05)
    return -torch.sigmoid(tau * (torch.exp(delta) - 1)) * 4 / tau * advantages


def gmpo(x, delta):
    held = torch.where(above, torch.clamp(delta, max=0.4), torch.clamp(delta, min=-0.4))
    return -advantages * torch.exp(mean(held))


def vespo(x, delta):
    log_w = ((delta * mask).sum(-1, keepdim=True)).clamp(math.log(1e-8), 20.0)
    k, lam = torch.where(above, 2.0, 3.0), torch.where(above, 3.0, 2.0)
    return -torch.exp(lam + k * log_w - lam * torch.exp(log_w)).detach() * advantages * x


LOSSES = {
    "clip": lambda x, delta: clip(torch.exp(delta)),
    "gspo": lambda x, delta: clip(torch.exp(mean(delta))),
    "gspo-token": lambda x, delta: clip(torch.exp(mean(delta).detach() + x - x.detach())),
    "sequence-product": lambda x, delta: clip(torch.exp((delta * mask).sum(-1, keepdim=True))),
    "cispo": lambda x, delta: -torch.clamp(torch.exp(delta), max=5.0).detach() * advantages * x,
    "reinforce": lambda x, delta: -advantages * x,
    "sapo": sapo,
    "gmpo": gmpo,
    "vespo": vespo,
    "kl-cov": lambda x, delta: -torch.exp(delta) * advantages + selected * delta.abs(),
}


def loss(kind):
    x = logp.clone().requires_grad_()
    kl = torch.exp(ref - x) - (ref - x) - 1
    total = ((LOSSES[kind](x, x - old) + 0.04 * kl) * mask).sum() / mask.sum()
    return torch.autograd.grad(total, x)


for kind in LOSSES:
    row(peer, "policy_loss", f"{kind} N {N}", lambda _: loss(kind), tokens=N)

rewards = torch.rand(G * S)


def advantage(_):
    grouped = rewards.view(-1, S)
    mean = grouped.mean(1).repeat_interleave(S)
    std = grouped.std(1).repeat_interleave(S)
    return (rewards - mean) / (std + 1e-4)


row(peer, "group_advantage", f"groups {G} x {S}", advantage)
