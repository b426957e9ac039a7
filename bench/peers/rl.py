"""Policy losses with autograd, and group advantages, in torch as TRL writes them: peer of bench/rl.mjs."""
import torch
from timing import row, threads

torch.set_num_threads(threads)
peer = "torch " + torch.__version__
N, T, G, S = 65536, 256, 4096, 8
B = N // T
logp = -3 * torch.rand(B, T)
old, ref = logp + 0.6 * torch.rand(B, T) - 0.3, logp + 0.6 * torch.rand(B, T) - 0.3
advantages = (4 * torch.rand(B, 1) - 2)
mask = torch.ones(B, T)


def loss(kind):
    x = logp.clone().requires_grad_()
    delta = x - old
    if kind == "gspo":
        delta = ((delta * mask).sum(-1) / mask.sum(-1).clamp(min=1.0)).unsqueeze(-1)
    ratio = torch.exp(delta)
    kl = torch.exp(ref - x) - (ref - x) - 1
    if kind == "sapo":
        tau = torch.where(advantages > 0, 1.0, 1.05)
        per_token = -torch.sigmoid(tau * (ratio - 1)) * 4 / tau * advantages
    else:
        per_token = -torch.min(ratio * advantages, torch.clamp(ratio, 0.8, 1.28) * advantages)
    total = ((per_token + 0.04 * kl) * mask).sum() / mask.sum()
    return torch.autograd.grad(total, x)


for kind in ("clip", "gspo", "sapo"):
    row(peer, "policy_loss", f"{kind} N {N}", lambda _: loss(kind), tokens=N)

rewards = torch.rand(G * S)


def advantage(_):
    grouped = rewards.view(-1, S)
    mean = grouped.mean(1).repeat_interleave(S)
    std = grouped.std(1).repeat_interleave(S)
    return (rewards - mean) / (std + 1e-4)


row(peer, "group_advantage", f"groups {G} x {S}", advantage)
