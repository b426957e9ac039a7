#include "ops/adamw/adamw.cuh"

namespace rft::cuda {
namespace {

template <class T>
void run(const AdamW& a, Stream stream) {
  if (a.chunks == 0) return;
  launch(Launch{"adamw", dim3(unsigned(a.chunks)), dim3(256), 0, stream}, adamw_kernel<T>, a);
}

}  // namespace

void adamw_f32(const AdamW& a, Stream stream) { run<float>(a, stream); }
void adamw_bf16(const AdamW& a, Stream stream) { run<bf16>(a, stream); }

}  // namespace rft::cuda
