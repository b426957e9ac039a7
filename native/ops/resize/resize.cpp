// Antialiased bicubic (a = -0.5) in two passes, horizontal then vertical, as Pillow does it for 8-bit images.
//
//   scale = in / out, support = 2 * max(scale, 1), center = (i + 0.5) * scale
//   weight(j) = cubic((j - center + 0.5) / max(scale, 1)) over the pixels within the support, normalised to sum 1
//
// Weights are rounded to 22 fractional bits, a pass sums in 32-bit integers from one half, and each pass rounds and
// clips to a byte. A pass whose size does not change is left out.
#include "ops/resize/resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace rft {
namespace {

constexpr int kFractionBits = 22;
constexpr double kCubicSupport = 2.0;
constexpr int kChannels = 3;

double cubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

// For each output index: the first input index, how many, and their weights at `weights[i * stride]`.
struct Taps {
  int stride;
  std::vector<int> first, count;
  std::vector<int32_t> weights;
};

Taps make_taps(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = kCubicSupport * filter_scale;
  const double inverse = 1.0 / filter_scale;
  const int stride = static_cast<int>(std::ceil(support)) * 2 + 1;
  Taps taps{stride, std::vector<int>(out), std::vector<int>(out), std::vector<int32_t>(size_t(out) * stride)};
  std::vector<double> row(stride);
  for (int i = 0; i < out; i++) {
    const double center = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int count = std::min(static_cast<int>(center + support + 0.5), in) - first;
    double sum = 0.0;
    for (int j = 0; j < count; j++) sum += row[j] = cubic((j + first - center + 0.5) * inverse);
    for (int j = 0; j < count; j++) {
      const double fixed = (sum != 0.0 ? row[j] / sum : row[j]) * (1 << kFractionBits);
      taps.weights[size_t(i) * stride + j] = static_cast<int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    taps.first[i] = first;
    taps.count[i] = count;
  }
  return taps;
}

uint8_t to_byte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255)); }

constexpr int32_t kHalf = 1 << (kFractionBits - 1);

// (h, w, 3) -> (h, ow, 3)
void horizontal(const uint8_t* in, int w, int h, uint8_t* out, int ow) {
  const Taps taps = make_taps(w, ow);
  for (int y = 0; y < h; y++) {
    const uint8_t* row = in + size_t(y) * w * kChannels;
    for (int x = 0; x < ow; x++) {
      const int32_t* weight = &taps.weights[size_t(x) * taps.stride];
      const uint8_t* pixel = row + size_t(taps.first[x]) * kChannels;
      int32_t r = kHalf, g = kHalf, b = kHalf;
      for (int j = 0; j < taps.count[x]; j++, pixel += kChannels) {
        r += pixel[0] * weight[j];
        g += pixel[1] * weight[j];
        b += pixel[2] * weight[j];
      }
      *out++ = to_byte(r);
      *out++ = to_byte(g);
      *out++ = to_byte(b);
    }
  }
}

// (h, w, 3) -> (oh, w, 3)
void vertical(const uint8_t* in, int w, int h, uint8_t* out, int oh) {
  const Taps taps = make_taps(h, oh);
  const size_t row_bytes = size_t(w) * kChannels;
  std::vector<int32_t> sums(row_bytes);
  for (int y = 0; y < oh; y++) {
    std::fill(sums.begin(), sums.end(), kHalf);
    const int32_t* weight = &taps.weights[size_t(y) * taps.stride];
    for (int j = 0; j < taps.count[y]; j++) {
      const uint8_t* row = in + (size_t(taps.first[y]) + j) * row_bytes;
      for (size_t i = 0; i < row_bytes; i++) sums[i] += row[i] * weight[j];
    }
    std::transform(sums.begin(), sums.end(), out + size_t(y) * row_bytes, to_byte);
  }
}

}  // namespace

void resize_bicubic_u8(const uint8_t* in, int w, int h, uint8_t* out, int ow, int oh) {
  if (w == ow && h == oh) {
    std::copy_n(in, size_t(w) * h * kChannels, out);
  } else if (h == oh) {
    horizontal(in, w, h, out, ow);
  } else if (w == ow) {
    vertical(in, w, h, out, oh);
  } else {
    std::vector<uint8_t> narrow(size_t(ow) * h * kChannels);
    horizontal(in, w, h, narrow.data(), ow);
    vertical(narrow.data(), ow, h, out, oh);
  }
}

}  // namespace rft
