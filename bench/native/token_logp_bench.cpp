// The fused log-prob head, forward and forward + backward, at 512 scored tokens. Prints one JSON line per measurement.
// Peer: bench/peers/token_logp.py.
#include "ops/ops.h"
#include "timing.h"

using namespace rft;
using bench::noise;

namespace {

void head(int64_t N, int64_t C, int64_t V, bool trained_w = true) {
  const std::string shape = concat("N ", N, " C ", C, " V ", V, trained_w ? "" : " frozen");
  if (!bench::wanted("token_logp forward+backward", shape)) return;
  Ctx ctx = bench::make_ctx();
  const Tensor x = noise(ctx, {N, C}), w = noise(ctx, {V, C}), g = noise(ctx, {N});
  const Tensor targets = ctx.empty({N}, Dtype::I32);
  for (int64_t n = 0; n < N; ++n) targets.i32()[n] = int32_t(n * 7919 % V);
  const double product = 2.0 * double(N) * double(C) * double(V), bytes = double(x.bytes() + w.bytes());
  bench::Work both((trained_w ? 3 : 2) * product, 3 * bytes);
  both.results_mb = double(x.bytes() + (trained_w ? w.bytes() : 0)) / 1048576;
  x.set_requires_grad(true);
  w.set_requires_grad(trained_w);
  bench::row("token_logp forward+backward", shape, both, [&] {
    Tape tape;
    ctx.tape = &tape;
    ops::token_logp(ctx, x, w, targets, 1.0f).logp.set_grad(g);
    tape.backward(ctx);
    x.set_grad({});
    w.set_grad({});
    ctx.tape = nullptr;
  });
  if (trained_w)
    bench::row("token_logp forward", shape, {product, bytes}, [&] { ops::token_logp(ctx, x, w, targets, 1.0f); });
}

}  // namespace

// With an argument: only lines whose kernel and shape contain it.
int main(int argc, char** argv) {
  bench::filter = argc > 1 ? argv[1] : "";
  head(512, 512, 32000);
  head(512, 512, 32000, false);
  head(64, 512, 32000);
  head(512, 128, 320);
  head(512, 896, 32000);
  head(512, 896, 151936);
  return 0;
}
