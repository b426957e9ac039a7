#include "ops/whiten/whiten.cuh"

namespace rft::cuda {

void whiten(int64_t n, const float* x, const int32_t* counts, bool shift_mean, double* partial, float* out,
            Stream stream) {
  if (n == 0) return;
  const int64_t tiles = whiten_tiles(n);
  auto* moments = reinterpret_cast<WhitenMoments*>(partial + 2 * tiles);
  const Launch by_tile{"whiten_tile", dim3(unsigned(tiles)), dim3(kThreads), 0, stream};
  const Launch one{"whiten_moments", dim3(1), dim3(kThreads), 0, stream};
  launch(by_tile, whiten_tile_kernel, n, x, counts, static_cast<const WhitenMoments*>(nullptr), partial);
  launch(one, whiten_moments_kernel, tiles, static_cast<const double*>(partial), false, moments);
  launch(by_tile, whiten_tile_kernel, n, x, counts, static_cast<const WhitenMoments*>(moments), partial);
  launch(one, whiten_moments_kernel, tiles, static_cast<const double*>(partial), true, moments);
  launch(over_items("whiten", n, stream), whiten_kernel, n, x, counts, static_cast<const WhitenMoments*>(moments),
         shift_mean, out);
}

}  // namespace rft::cuda
