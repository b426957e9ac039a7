#include "ops/adamw/adamw.cuh"

namespace rft::cuda {
namespace {

template <class T, class G>
void run(const AdamW& a, ops::StateFormat state, Stream stream) {
  const Launch l{"adamw", dim3(unsigned(a.chunks)), dim3(256), 0, stream};
  if (state == ops::StateFormat::F32) launch(l, adamw_kernel<T, G, float>, a);
  else if (state == ops::StateFormat::BF16) launch(l, adamw_kernel<T, G, bf16>, a);
  else launch(l, adamw_8bit_kernel<T, G>, a);
}

template <class T>
void run(const AdamW& a, const AdamWStorage& s, Stream stream) {
  if (s.bf16_gradients) run<T, bf16>(a, s.state, stream);
  else run<T, float>(a, s.state, stream);
}

}  // namespace

void adamw(const AdamW& a, const AdamWStorage& s, Stream stream) {
  if (a.chunks == 0) return;
  if (s.bf16_weights) run<bf16>(a, s, stream);
  else run<float>(a, s, stream);
}

}  // namespace rft::cuda
