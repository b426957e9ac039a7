#include "ops/gelu/gelu.cuh"

namespace rft::cuda {
namespace {

template <GeluForm Form>
struct FormTag {
  static constexpr GeluForm kForm = Form;
};
template <class Body>
void with_form(GeluForm form, const Body& body) {
  if (form == GeluForm::Erf) body(FormTag<GeluForm::Erf>{});
  else if (form == GeluForm::Tanh) body(FormTag<GeluForm::Tanh>{});
  else body(FormTag<GeluForm::Quick>{});
}

template <class T>
void forward(const T* x, T* y, int64_t n, GeluForm form, Stream stream) {
  if (n == 0) return;
  with_packing(packable(n, sizeof(T), x, y), [&](auto packed) {
    with_form(form, [&](auto tag) {
      launch(over_items("gelu", packed ? n / kLanes<T> : n, stream), gelu_kernel<T, tag.kForm, packed()>, x, y, n);
    });
  });
}

template <class T>
void backward(const T* x, const T* dy, T* dx, float beta, int64_t n, GeluForm form, Stream stream) {
  if (n == 0) return;
  with_packing(packable(n, sizeof(T), x, dy, dx), [&](auto packed) {
    with_form(form, [&](auto tag) {
      launch(over_items("gelu_backward", packed ? n / kLanes<T> : n, stream),
             gelu_backward_kernel<T, tag.kForm, packed()>, x, dy, dx, beta, n);
    });
  });
}

}  // namespace

void gelu(const float* x, float* y, int64_t n, GeluForm form, Stream stream) { forward(x, y, n, form, stream); }
void gelu(const bf16* x, bf16* y, int64_t n, GeluForm form, Stream stream) { forward(x, y, n, form, stream); }
void gelu_backward(const float* x, const float* dy, float* dx, float beta, int64_t n, GeluForm form, Stream stream) {
  backward(x, dy, dx, beta, n, form, stream);
}
void gelu_backward(const bf16* x, const bf16* dy, bf16* dx, float beta, int64_t n, GeluForm form, Stream stream) {
  backward(x, dy, dx, beta, n, form, stream);
}

}  // namespace rft::cuda
