"""librft called from Python on torch tensors: a worked example, its check against torch, and both timed in turn.

    python bench/peers/librft.py        # RFT_LIBRARY names another library than build/Release/librft.so

Each kernel becomes a torch.autograd.Function: forward hands pointers over, backward asks for gradients. Nothing is copied
but the outputs. The kernels of reinforcement learning: librft_rl.py.
"""
import ctypes
import os

import torch
import torch.nn.functional as F
from timing import row, threads

torch.set_num_threads(threads)


class Tensor(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_int32),
                ("shape", ctypes.c_int64 * 4), ("requires_grad", ctypes.c_int32)]


class Segment(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int32) for name in
                ("q_begin", "q_len", "kv0_begin", "kv0_len", "kv1_begin", "kv1_len", "causal")]


rft = ctypes.CDLL(os.environ.get("RFT_LIBRARY", "build/Release/librft.so"))
rft.rft_last_error.restype = ctypes.c_char_p
rft.rft_context_create.restype = ctypes.c_void_p
rft.rft_call_destroy.argtypes = [ctypes.c_void_p]
rft.rft_set_threads(threads)
cpu = ctypes.c_void_p(rft.rft_context_create(b"cpu", None))


def check(status):
    if status:
        raise RuntimeError(rft.rft_last_error().decode())


def view(t, requires_grad=False):
    """A contiguous float32 or int32 tensor as the library sees it."""
    assert t.is_contiguous() and t.dtype in (torch.float32, torch.int32)
    shape = (ctypes.c_int64 * 4)(*t.shape)
    return Tensor(t.data_ptr(), 0 if t.dtype == torch.float32 else 1, t.dim(), shape, requires_grad)


class Call:
    """What a kernel keeps for its backward pass; freed with the object."""

    def __init__(self):
        self.pointer = ctypes.c_void_p()

    def __del__(self):
        if self.pointer:
            rft.rft_call_destroy(self.pointer)

    def backward(self, output_grads, inputs, wanted):
        outer = [None if g is None else view(g.contiguous()) for g in output_grads]
        grads = [torch.zeros_like(x) if want else None for x, want in zip(inputs, wanted)]
        inner = [None if g is None else view(g) for g in grads]
        pointers = lambda views: (ctypes.POINTER(Tensor) * len(views))(
            *[ctypes.pointer(v) if v is not None else None for v in views])
        check(rft.rft_backward(self.pointer, pointers(outer), pointers(inner)))
        return grads


class TokenLogp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w, targets, temperature):
        logp, entropy = x.new_empty(len(x)), x.new_empty(len(x))
        ctx.call, ctx.inputs = Call(), (x, w, targets)
        ctx.wanted = (x.requires_grad, w.requires_grad, False)
        views = [view(x, ctx.wanted[0]), view(w, ctx.wanted[1]), view(targets)]
        check(rft.rft_token_logp(cpu, *map(ctypes.byref, views), ctypes.c_float(temperature), ctypes.byref(view(logp)),
                                 ctypes.byref(view(entropy)), ctypes.byref(ctx.call.pointer)))
        return logp, entropy

    @staticmethod
    def backward(ctx, dlogp, dentropy):
        return *ctx.call.backward([dlogp, dentropy], ctx.inputs, ctx.wanted), None


class Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, segments, heads, kv_heads, scale):
        out = torch.empty_like(q)
        ctx.call, ctx.inputs = Call(), (q, k, v)
        ctx.wanted = tuple(t.requires_grad for t in ctx.inputs)
        views = [view(t, t.requires_grad) for t in ctx.inputs]
        check(rft.rft_attention(cpu, *map(ctypes.byref, views), (Segment * len(segments))(*segments), len(segments),
                                heads, kv_heads, ctypes.c_float(scale), ctypes.byref(view(out)),
                                ctypes.byref(ctx.call.pointer)))
        return out

    @staticmethod
    def backward(ctx, d_out):
        return *ctx.call.backward([d_out], ctx.inputs, ctx.wanted), None, None, None, None


def difference(name, ours, theirs):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        error = ((a - b).norm() / b.norm()).item()
        assert error < 1e-4, f"{name} {i}: relative difference {error:.1e}"


def head(N, C, V):
    x, w = torch.randn(N, C, requires_grad=True), (torch.randn(V, C) * C**-0.5).requires_grad_()
    targets, g = torch.arange(N, dtype=torch.int32) * 7919 % V, torch.rand(N)
    gather = targets.long()[:, None]
    ours = lambda: torch.autograd.grad(TokenLogp.apply(x, w, targets, 1.0)[0], (x, w), g)
    theirs = lambda: torch.autograd.grad(F.log_softmax(F.linear(x, w), -1).gather(1, gather)[:, 0], (x, w), g)
    difference("token_logp", ours(), theirs())
    shape = f"N {N} C {C} V {V}"
    row("librft", "token_logp forward+backward", shape, lambda _: ours())
    row("torch " + torch.__version__, "token_logp forward+backward", shape, lambda _: theirs())


def causal(T, H, D):
    q, k, v = (torch.randn(T, H * D, requires_grad=True) for _ in range(3))
    g, segment = torch.randn(T, H * D), [Segment(0, T, 0, 0, 0, T, 1)]
    split = lambda t: t.view(T, H, D).transpose(0, 1)
    ours = lambda: torch.autograd.grad(Attention.apply(q, k, v, segment, H, H, D**-0.5), (q, k, v), g)
    theirs = lambda: torch.autograd.grad(
        F.scaled_dot_product_attention(split(q), split(k), split(v), is_causal=True).transpose(0, 1).reshape(T, H * D),
        (q, k, v), g)
    difference("attention", ours(), theirs())
    shape = f"T {T} H {H} D {D} causal"
    row("librft", "attention forward+backward", shape, lambda _: ours())
    row("torch " + torch.__version__, "attention forward+backward", shape, lambda _: theirs())


if __name__ == "__main__":
    head(64, 128, 512)
    head(512, 512, 32000)
    causal(96, 2, 64)
    causal(1024, 4, 64)
