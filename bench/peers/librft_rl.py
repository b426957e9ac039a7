"""The RL kernels of librft from Python on torch tensors: a worked example, its check against torch, and both timed in turn.

    python bench/peers/librft_rl.py     # RFT_LIBRARY names another library than build/Release/librft.so

A policy loss comes with its gradient in one call, so its torch.autograd.Function computes in forward and only scales in
backward. Columns are pointers to torch's own memory: nothing is copied.
"""
import ctypes
from ctypes import POINTER, c_double, c_float, c_int, c_int32, c_int64, c_uint8

import torch
from librft import check, cpu, difference, rft
from timing import row

Floats, Bytes, Ints = POINTER(c_float), POINTER(c_uint8), POINTER(c_int32)


class RewardColumns(ctypes.Structure):
    _fields_ = [("count", c_int64), ("rewards", Floats), ("groups", Ints), ("lengths", Ints), ("baselines", Floats)]


class AdvantageRule(ctypes.Structure):
    _fields_ = [("kind", c_int), ("scale", c_int), ("eps", c_double), ("biased", c_int32)]


class AggregationRule(ctypes.Structure):
    _fields_ = [("mode", c_int)] + [(name, c_int64) for name in (
        "completions", "tokens", "rollout_tokens", "mini_batches", "micro_batches", "fixed_length")]


class PolicyColumns(ctypes.Structure):
    _fields_ = [("n", c_int64)] + [(name, Floats) for name in (
        "logp", "advantages", "weights", "old_logp", "ref_logp", "kl_coefs", "importance", "sampled_logp")] + [
        ("keep", Bytes), ("selected", Bytes), ("sequences", Ints), ("sequence_count", c_int64)]


class Constants(ctypes.Union):
    _fields_ = [("clip", c_double * 4), ("bounds", c_double * 2), ("sapo", c_double * 2), ("vespo", c_double * 4),
                ("cov_coef", c_double)]


class Loss(ctypes.Structure):
    _fields_ = [("kind", c_int), ("of", Constants)]


class PolicyOptions(ctypes.Structure):
    _fields_ = [("loss", Loss), ("kl_estimator", c_int), ("kl_coef", c_double), ("kl_bias_corrected", c_int32),
                ("off_policy_mask", c_int32), ("off_policy_threshold", c_double)]


class PolicyResult(ctypes.Structure):
    _fields_ = [("loss", Floats), ("dlogp", Floats), ("kl", Floats), ("clipped", Bytes)]


GROUP, CLIP, GSPO, SAPO, K3, SEQUENCE_MEAN = 0, 0, 1, 6, 0, 3  # of the enums in native/capi/rft_rl.h
KINDS = {torch.float32: Floats, torch.uint8: Bytes, torch.int32: Ints}


def column(t):
    """A contiguous tensor as the library sees it; None is NULL."""
    if t is None:
        return None
    assert t.is_contiguous() and t.device.type == "cpu"
    return ctypes.cast(t.data_ptr(), KINDS[t.dtype])


def group_advantage(rewards, groups, eps=1e-4):
    out = torch.empty_like(rewards)
    columns = RewardColumns(len(rewards), column(rewards), column(groups), None, None)
    check(rft.rft_group_advantage(cpu, ctypes.byref(columns), ctypes.byref(AdvantageRule(GROUP, 0, eps, 0)), column(out)))
    return out


def aggregation_weights(mask, sequences, mode):
    out = torch.empty(len(mask))
    check(rft.rft_aggregation_weights(cpu, c_int64(len(mask)), column(mask), column(sequences),
                                      c_int64(len(sequences) - 1), ctypes.byref(AggregationRule(mode)), column(out)))
    return out


class PolicyLoss(torch.autograd.Function):
    """total = sum of weight x loss over tokens (N). `options`: PolicyOptions."""

    @staticmethod
    def forward(ctx, logp, advantages, weights, old_logp, ref_logp, sequences, options):
        loss, dlogp, kl = (torch.empty_like(logp) for _ in range(3))
        clipped = torch.empty(len(logp), dtype=torch.uint8)
        columns = PolicyColumns(len(logp), column(logp), column(advantages), column(weights), column(old_logp),
                                column(ref_logp), None, None, None, None, None, column(sequences), len(sequences) - 1)
        result = PolicyResult(column(loss), column(dlogp), column(kl), column(clipped))
        check(rft.rft_policy_loss(cpu, ctypes.byref(columns), ctypes.byref(options), ctypes.byref(result)))
        ctx.save_for_backward(dlogp)
        return loss @ weights

    @staticmethod
    def backward(ctx, scale):
        return scale * ctx.saved_tensors[0], *[None] * 6


def loss_in_torch(kind, logp, advantages, old, ref, B):
    """What the trainers write, with a mean over completions of the mean over tokens."""
    delta, A = (logp - old).view(B, -1), advantages.view(B, -1)
    if kind == "gspo":
        delta = delta.mean(-1, keepdim=True)
    ratio = torch.exp(delta)
    if kind == "sapo":
        tau = torch.where(A > 0, 1.0, 1.05)
        per_token = -torch.sigmoid(tau * (ratio - 1)) * 4 / tau * A
    else:
        per_token = -torch.min(ratio * A, torch.clamp(ratio, 0.8, 1.28) * A)
    d = (ref - logp).view(B, -1)
    return (per_token + 0.04 * (torch.exp(d) - d - 1)).mean()


def policy_loss(kind, B, T):
    of = {"clip": (CLIP, Constants(clip=(0.2, 0.28, 0, 0))), "gspo": (GSPO, Constants(clip=(0.2, 0.28, 0, 0))),
          "sapo": (SAPO, Constants(sapo=(1, 1.05)))}[kind]
    options = PolicyOptions(Loss(*of), K3, 0.04)
    logp = (-3 * torch.rand(B * T)).requires_grad_()
    near = lambda: logp.detach() + 0.6 * torch.rand(B * T) - 0.3
    old, ref, advantages = near(), near(), (4 * torch.rand(B) - 2).repeat_interleave(T)
    sequences = torch.arange(B + 1, dtype=torch.int32) * T
    weights = aggregation_weights(torch.ones(B * T, dtype=torch.uint8), sequences, SEQUENCE_MEAN)
    ours = lambda: PolicyLoss.apply(logp, advantages, weights, old, ref, sequences, options)
    theirs = lambda: loss_in_torch(kind, logp, advantages, old, ref, B)
    with_gradient = lambda total: (total, *torch.autograd.grad(total, logp))
    difference(kind, with_gradient(ours()), with_gradient(theirs()))
    shape = f"{kind} N {B * T}"
    row("librft", "policy_loss", shape, lambda _: with_gradient(ours()), tokens=B * T)
    row("torch " + torch.__version__, "policy_loss", shape, lambda _: with_gradient(theirs()), tokens=B * T)


def advantages(groups, size):
    rewards, ids = torch.rand(groups * size), torch.arange(groups, dtype=torch.int32).repeat_interleave(size)
    ours = lambda: group_advantage(rewards, ids)

    def theirs():
        mean, std = (f(rewards.view(-1, size), 1).repeat_interleave(size) for f in (torch.mean, torch.std))
        return (rewards - mean) / (std + 1e-4)

    difference("group_advantage", [ours()], [theirs()])
    shape = f"groups {groups} x {size}"
    row("librft", "group_advantage", shape, lambda _: ours())
    row("torch " + torch.__version__, "group_advantage", shape, lambda _: theirs())


for kind in ("clip", "gspo", "sapo"):
    policy_loss(kind, 256, 256)
advantages(4096, 8)
