// Advantage estimation and value loss on CUDA against their definitions in double.
#include <cmath>

#include "harness.h"
#include "numbers.h"
#include "ops/gae/launch.h"
#include "ops/value_loss/launch.h"

using namespace rft::simt;
using namespace rft::test;

namespace {

using rft::concat;

std::string gae(const std::vector<int32_t>& lengths, bool with_mask, bool with_values) {
  std::vector<int32_t> offsets = {0};
  for (const int32_t n : lengths) offsets.push_back(offsets.back() + n);
  const size_t n = size_t(offsets.back());
  const Floats rewards = random_floats(n, 1, 1), values = random_floats(n, 1, 2);
  std::vector<uint8_t> mask(n);
  for (size_t i = 0; i < n; ++i) mask[i] = uint8_t(i % 5 != 2 && i % 37 > 1);
  constexpr double kGamma = 0.98, kLambda = 0.9;
  std::vector<double> advantages(n), returns(n);
  for (size_t b = 0; b < lengths.size(); ++b) {
    double next = 0, scan = 0;
    for (int t = offsets[b + 1] - 1; t >= offsets[b]; --t) {
      const size_t i = size_t(t);
      if (with_mask && !mask[i]) continue;
      const double v = with_values ? double(values[i]) : 0;
      scan = double(rewards[i]) + kGamma * next - v + kGamma * kLambda * scan;
      next = v;
      advantages[i] = scan;
      returns[i] = scan + v;
    }
  }
  Buffer<float> dr(rewards), dv(values), da(n), dret(n);
  Buffer<uint8_t> dm(mask);
  Buffer<int32_t> ds(offsets);
  const rft::ops::GaeColumns in{dr.get(), with_values ? dv.get() : nullptr, with_mask ? dm.get() : nullptr, ds.get(),
                                int64_t(lengths.size())};
  rft::cuda::gae(in, kGamma, kLambda, da.get(), dret.get(), nullptr);
  if (kCheckedBuild && !(da.all_written() && dret.all_written())) return "not every output was written";
  const std::string detail = close(da.host(), advantages, 1e-6, 1e-6);
  return detail.empty() ? close(dret.host(), returns, 1e-6, 1e-6) : detail;
}

std::string value_loss(size_t n, bool clipped) {
  const Floats values = random_floats(n, 1, 1), returns = random_floats(n, 1, 2), old = random_floats(n, 1, 3);
  Floats weights(n, 0.25f);
  for (size_t i = 0; i < n; i += 3) weights[i] = 0.0f;
  constexpr double kClip = 0.2;
  std::vector<double> loss, slope, flag;
  for (size_t i = 0; i < n; ++i) {
    const double v = values[i], held = std::min(std::max(v, double(old[i]) - kClip), double(old[i]) + kClip);
    const double plain = std::pow(v - returns[i], 2), bounded = clipped ? std::pow(held - returns[i], 2) : plain;
    const bool used = weights[i] != 0.0f, cut = bounded > plain;
    loss.push_back(used ? 0.5 * std::max(plain, bounded) : 0);
    slope.push_back(used && !cut ? 0.25 * (v - returns[i]) : 0);
    flag.push_back(used && cut);
  }
  Buffer<float> dv(values), dr(returns), dold(old), dw(weights), dl(n), dg(n);
  Buffer<int32_t> df(n);
  rft::cuda::value_loss(int64_t(n), {dv.get(), dr.get(), clipped ? dold.get() : nullptr, dw.get()}, kClip,
                        {dl.get(), dg.get(), df.get()}, nullptr);
  if (kCheckedBuild && !(dl.all_written() && dg.all_written())) return "not every output was written";
  Buffer<rft::ops::ValueLossSums> ds(size_t(rft::ops::value_tiles(int64_t(n))));
  rft::cuda::value_loss_sums(int64_t(n), dw.get(), {dl.get(), dg.get(), df.get()}, ds.get(), nullptr);
  double weighted = 0, plain = 0, rows = 0, cut = 0;
  for (const rft::ops::ValueLossSums& s : ds.host())
    weighted += s.weighted, plain += s.loss, rows += s.rows, cut += s.clipped;
  double want[4] = {};
  for (size_t i = 0; i < n; ++i)
    want[0] += 0.25 * loss[i], want[1] += loss[i], want[2] += weights[i] != 0.0f, want[3] += flag[i];
  if (!(std::fabs(weighted - want[0]) <= 1e-6 * want[0] && std::fabs(plain - want[1]) <= 1e-6 * want[1]))
    return concat("sums ", weighted, " and ", plain, ", want ", want[0], " and ", want[1]);
  if (rows != want[2] || cut != want[3]) return concat(rows, " rows and ", cut, " clipped");
  std::string detail = close(dl.host(), loss, 1e-7, 1e-6);
  if (detail.empty()) detail = close(dg.host(), slope, 1e-7, 1e-6);
  return detail.empty() ? close(df.host(), flag, 0, 0) : detail;
}

}  // namespace

int main() {
  for (const bool mask : {false, true})
    for (const bool values : {false, true})
      expect_clean(concat("gae", mask ? " masked" : "", values ? " with values" : ""), [=] {
        return gae({1, 31, 32, 33, 0, 70, 5, 2, 3, 4}, mask, values);
      });
  for (const size_t n : {size_t(1), size_t(300), size_t(2049)})
    for (const bool clipped : {false, true})
      expect_clean(concat("value_loss n=", n, clipped ? " clipped" : ""), [=] { return value_loss(n, clipped); });
  return failures != 0;
}
