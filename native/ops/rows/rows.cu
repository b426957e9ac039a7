#include "ops/rows/rows.cuh"

#include <algorithm>

namespace rft::cuda {
namespace {

template <class T>
void gather(const T* x, const int32_t* rows, T* y, float beta, int64_t N, int64_t C, Stream stream) {
  if (N * C == 0) return;
  with_packing(packable(C, sizeof(T), x, y), [&](auto packed) {
    launch(over_items("gather_rows", packed ? N * C / kLanes<T> : N * C, stream), gather_rows_kernel<T, packed()>, x,
           rows, y, beta, N, C);
  });
}

template <class T>
void set(const T* src, const int32_t* rows, T* y, int64_t N, int64_t C, Stream stream) {
  if (N * C == 0) return;
  with_packing(packable(C, sizeof(T), src, y), [&](auto packed) {
    launch(over_items("set_rows", packed ? N * C / kLanes<T> : N * C, stream), set_rows_kernel<T, packed()>, src, rows,
           y, N, C);
  });
}

template <class T, class S>
void add_to(const T* dy, const int32_t* rows, S* sum, int64_t N, int64_t C, Stream stream) {
  if (N * C == 0) return;
  with_packing(packable(C, sizeof(T), dy), [&](auto packed) {
    const int64_t threads = packed ? C / kLanes<T> : C,
                  block = std::min<int64_t>(kThreads, ceil_div<int64_t>(threads, 32) * 32);
    const dim3 grid(unsigned(N), unsigned(ceil_div(threads, block)));
    launch(Launch{"add_to_rows", grid, dim3(unsigned(block)), 0, stream}, add_to_rows_kernel<T, S, packed()>, dy, rows,
           sum, N, C);
  });
}

template <class T>
void put_others(const T* x, const int32_t* rows, int64_t N, int32_t* mask, T* y, float beta, int64_t rows_in_all,
                int64_t C, Stream stream) {
  if (rows_in_all * C == 0) return;
  if (N > 0) launch(over_items("mark_rows", N, stream), mark_rows_kernel, rows, mask, N);
  with_packing(packable(C, sizeof(T), x, y), [&](auto packed) {
    const int64_t values = rows_in_all * C;
    launch(over_items("put_other_rows", packed ? values / kLanes<T> : values, stream),
           put_other_rows_kernel<T, packed()>, x, mask, y, beta, rows_in_all, C);
  });
}

template <class T>
void columns(const Columns<T>& a, Stream stream) {
  const int64_t values = a.rows * a.width;
  if (values == 0) return;
  const bool strides = packable(a.y_stride, sizeof(T)) && (a.x == nullptr || packable(a.x_stride, sizeof(T)));
  with_packing(strides && packable(a.width, sizeof(T), a.x, a.y), [&](auto packed) {
    launch(over_items("put_columns", packed ? values / kLanes<T> : values, stream), put_columns_kernel<T, packed()>, a);
  });
}

}  // namespace

void gather_rows(const float* x, const int32_t* rows, float* y, float beta, int64_t N, int64_t C, Stream stream) {
  gather(x, rows, y, beta, N, C, stream);
}
void gather_rows(const bf16* x, const int32_t* rows, bf16* y, float beta, int64_t N, int64_t C, Stream stream) {
  gather(x, rows, y, beta, N, C, stream);
}
void set_rows(const float* src, const int32_t* rows, float* y, int64_t N, int64_t C, Stream stream) {
  set(src, rows, y, N, C, stream);
}
void set_rows(const bf16* src, const int32_t* rows, bf16* y, int64_t N, int64_t C, Stream stream) {
  set(src, rows, y, N, C, stream);
}
void add_to_rows(const float* dy, const int32_t* rows, float* sum, int64_t N, int64_t C, Stream stream) {
  add_to(dy, rows, sum, N, C, stream);
}
void add_to_rows(const bf16* dy, const int32_t* rows, float* sum, int64_t N, int64_t C, Stream stream) {
  add_to(dy, rows, sum, N, C, stream);
}
void add_to_rows(const bf16* dy, const int32_t* rows, bf16* sum, int64_t N, int64_t C, Stream stream) {
  add_to(dy, rows, sum, N, C, stream);
}
void put_other_rows(const float* x, const int32_t* rows, int64_t N, int32_t* mask, float* y, float beta, int64_t T,
                    int64_t C, Stream stream) {
  put_others(x, rows, N, mask, y, beta, T, C, stream);
}
void put_other_rows(const bf16* x, const int32_t* rows, int64_t N, int32_t* mask, bf16* y, float beta, int64_t T,
                    int64_t C, Stream stream) {
  put_others(x, rows, N, mask, y, beta, T, C, stream);
}
void put_columns(const Columns<float>& a, Stream stream) { columns(a, stream); }
void put_columns(const Columns<bf16>& a, Stream stream) { columns(a, stream); }

}  // namespace rft::cuda
