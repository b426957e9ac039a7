// Times of the CUDA kernels, as JSON lines: first what the machine can do (copy bandwidth, a large matrix product),
// then each kernel and its share of that. scripts/gpu-check.sh runs it on a GPU; `--small` runs the same with tiny
// shapes, in the emulator, to see that it works.
//
// A time is the median of `repeats` between two events, after a warm-up; inputs are random, since zeros are faster.
// TFLOP/s of causal attention count the half that is computed. GB/s count each tensor read or written once.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>

#include "ops/adamw/launch.h"
#include "ops/attention/launch.h"
#include "ops/gemm/product.h"
#include "ops/ops.h"
#include "ops/policy_loss/launch.h"
#include "ops/token_logp/launch.h"
#include "tensor/dispatch.h"
#include "tensor/values.h"

using namespace rft;

namespace {

struct Ceiling {
  double bytes_per_second = 0, flops_per_second = 0;
};

class Bench {
 public:
  explicit Bench(bool small) : small_(small) {
    ctx_.pool = std::make_shared<Pool>(Device::Cuda);
    const device::Properties& d = device::probe().devices[0];
    std::printf("{\"device\":\"%s\",\"computeCapability\":\"%d.%d\",\"multiprocessors\":%d,\"memory\":%lld}\n",
                d.name.c_str(), d.major, d.minor, d.multiprocessors, static_cast<long long>(d.memory));
  }

  Ctx& ctx() { return ctx_; }
  int64_t size(int64_t large, int64_t tiny) const { return small_ ? tiny : large; }

  Tensor random(Shape shape, Dtype dtype, float scale = 1.0f) {
    Tensor t(ctx_.pool, std::move(shape), dtype, Purpose::Activations);
    constexpr int64_t kPiece = int64_t{1} << 20;
    std::vector<float> values(size_t(std::min(kPiece, t.count())));  // over and over in a large tensor
    for (float& x : values) x = scale * normal();
    for (int64_t at = 0; at < t.count(); at += kPiece)
      write_floats(t, at, std::min(kPiece, t.count() - at), values.data());
    return t;
  }

  void time(const std::string& kernel, const std::string& shape, Dtype dtype, double flops, double bytes,
            const std::function<void()>& run) {
    const int repeats = small_ ? 2 : 20;
    run();
    device::synchronize();
    std::vector<double> seconds;
    for (int i = 0; i < repeats; ++i) {
      device::Event begin, end;
      begin.record();
      run();
      end.record();
      seconds.push_back(end.seconds_since(begin));
    }
    std::sort(seconds.begin(), seconds.end());
    const double median = seconds[seconds.size() / 2];
    const double tflops = flops / median, gbps = bytes / median;
    if (kernel == "copy") ceiling_.bytes_per_second = gbps;
    if (kernel == "gemm 8192") ceiling_.flops_per_second = tflops;
    const double floor = std::max(ceiling_.flops_per_second > 0 ? flops / ceiling_.flops_per_second : 0,
                                  ceiling_.bytes_per_second > 0 ? bytes / ceiling_.bytes_per_second : 0);
    std::printf(
        "{\"kernel\":\"%s\",\"shape\":\"%s\",\"dtype\":\"%s\",\"ms\":%.4f,\"msFastest\":%.4f,\"tflops\":%.2f,"
        "\"gbps\":%.1f,\"ofFloor\":%.3f}\n",
        kernel.c_str(), shape.c_str(), to_string(dtype), median * 1e3, seconds[0] * 1e3, tflops / 1e12, gbps / 1e9,
        floor / median);
    std::fflush(stdout);
  }

 private:
  float normal() {
    float sum = 0.0f;
    for (int i = 0; i < 4; ++i) {
      state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
      sum += float(state_ >> 40) * 0x1p-24f - 0.5f;
    }
    return sum * 1.7320508f;
  }
  bool small_;
  Ctx ctx_;
  Ceiling ceiling_;
  uint64_t state_ = 1;
};

void ceilings(Bench& b) {
  const int64_t bytes = b.size(int64_t{4} << 30, 4096);
  const Tensor from = b.ctx().workspace({bytes}, Dtype::U8), to = b.ctx().workspace({bytes}, Dtype::U8);
  from.zero();
  b.time("copy", concat(bytes, " B"), Dtype::U8, 0, 2.0 * double(bytes), [&] { copy_values(from, to); });
  const int64_t n = b.size(8192, 64);
  const Tensor x = b.random({n, n}, Dtype::BF16), w = b.random({n, n}, Dtype::BF16);
  cuda::on_stream(b.ctx(), [&](auto stream) {  // by cublasLt when it is there
    const Tensor y = b.random({n, n}, Dtype::BF16), workspace = cuda::gradient_workspace(b.ctx(), Dtype::BF16);
    b.time("gemm 8192", concat(n, "^3 by ", cuda::gradient_kernels()), Dtype::BF16,
           2.0 * double(n) * double(n) * double(n), 6.0 * double(n) * double(n), [&] {
             cuda::gradient_product({cuda::Form::NN, n, n, n, n, n, n}, x.as<simt::bf16>(), w.as<simt::bf16>(),
                                    y.as<simt::bf16>(), workspace, stream);
           });
  });
}

// The shapes of Qwen2.5-VL-7B: C 3584, 28 heads over 4, D 128, ffn 18944, V 152064.
void rows(Bench& b, Dtype dtype) {
  const int64_t T = b.size(32768, 4), C = b.size(3584, 64), F = b.size(18944, 72);
  const double element = double(size_of(dtype)), tc = double(T) * double(C) * element,
               tf = double(T) * double(F) * element;
  const Tensor x = b.random({T, C}, dtype), y = b.random({T, C}, dtype), w = b.random({C}, dtype);
  const std::string shape = concat("T=", T, " C=", C);
  b.time("rms_norm", shape, dtype, 0, 2 * tc, [&] { ops::rms_norm(b.ctx(), x, w, 1e-6f); });
  b.time("add_rms_norm", shape, dtype, 0, 4 * tc, [&] { ops::add_rms_norm(b.ctx(), x, y, w, 1e-6f); });
  b.time("add", shape, dtype, 0, 3 * tc, [&] { ops::add(b.ctx(), x, y); });
  const Tensor gate = b.random({T, F}, dtype), up = b.random({T, F}, dtype);
  b.time("silu_mul", concat("T=", T, " F=", F), dtype, 0, 3 * tf, [&] { ops::silu_mul(b.ctx(), gate, up); });
}

bool has_wgmma() {
  const device::Properties& gpu = device::probe().devices.at(0);
  return gpu.major == 9 && gpu.minor == 0;
}

void gemm_shapes(Bench& b) {
  const int64_t C = b.size(3584, 64), F = b.size(18944, 72);
  for (const int64_t T : {b.size(8192, 8), b.size(64, 2), b.size(8, 1)}) {
    const Tensor x = b.random({T, C}, Dtype::BF16), w = b.random({F, C}, Dtype::BF16, 0.02f);
    const double t = double(T), c = double(C), f = double(F);
    b.time("linear", concat("T=", T, " K=", C, " N=", F), Dtype::BF16, 2 * t * c * f, 2 * (t * c + c * f + t * f),
           [&] { ops::linear(b.ctx(), x, w, {}); });
    if (!has_wgmma()) continue;
    const Tensor y = b.random({T, F}, Dtype::BF16);
    cuda::on_stream(b.ctx(), [&](auto stream) {
      b.time("linear wgmma", concat("T=", T, " K=", C, " N=", F), Dtype::BF16, 2 * t * c * f,
             2 * (t * c + c * f + t * f), [&] {
               const simt::bf16* no_bias = nullptr;
               cuda::gemm_sm90({cuda::Form::NT, T, F, C, C, C, F}, x.as<simt::bf16>(), w.as<simt::bf16>(), no_bias,
                               y.as<simt::bf16>(), stream);
             });
    });
  }
}

void attention(Bench& b) {
  const int64_t S = b.size(4096, 32), B = b.size(8, 1), D = b.size(128, 16), H = b.size(28, 2), K = b.size(4, 1);
  const Tensor q = b.random({B * S, H * D}, Dtype::BF16), k = b.random({B * S, K * D}, Dtype::BF16),
               v = b.random({B * S, K * D}, Dtype::BF16), dout = b.random({B * S, H * D}, Dtype::BF16);
  std::vector<ops::Segment> segments;
  for (int32_t i = 0; i < int32_t(B); ++i) {
    const int32_t begin = i * int32_t(S);
    segments.push_back({begin, int32_t(S), 0, 0, begin, int32_t(S), 1});
  }
  const double flops = 2.0 * double(B * H) * double(S) * double(S) * double(D);  // 4 B H S^2 D, half of it causal
  const double bytes = 2.0 * double(B * S) * double((2 * H + 2 * K) * D);
  const std::string shape = concat("B=", B, " S=", S, " H=", H, "/", K, " D=", D, " causal");
  const auto forward = [&](Ctx& ctx) {
    return ops::attention(ctx, q, k, v, segments, int(H), int(K), 1.0f / std::sqrt(float(D)));
  };
  b.time("attention forward", shape, Dtype::BF16, flops, bytes, [&] { forward(b.ctx()); });
  for (const Tensor* x : {&q, &k, &v}) x->set_requires_grad(true);
  b.time("attention forward+backward", shape, Dtype::BF16, 3.5 * flops, 3 * bytes, [&] {
    Tape tape;
    Ctx ctx = b.ctx();
    ctx.tape = &tape;
    const Tensor out = forward(ctx);
    out.set_grad(dout);
    tape.backward(ctx);
    for (const Tensor* x : {&q, &k, &v}) x->set_grad({});
  });
}

void head(Bench& b) {
  const int64_t N = b.size(8192, 6), C = b.size(3584, 64), V = b.size(152064, 130);
  const Tensor x = b.random({N, C}, Dtype::BF16), w = b.random({V, C}, Dtype::BF16, 0.02f);
  const std::vector<int32_t> ids(size_t(N), 3);
  const Tensor targets = b.ctx().from(ids.data(), {N});
  b.time("token_logp", concat("N=", N, " C=", C, " V=", V), Dtype::BF16, 2.0 * double(N) * double(C) * double(V),
         2.0 * double(N + V) * double(C), [&] { ops::token_logp(b.ctx(), x, w, targets, 1.0f); });
  if (!has_wgmma()) return;
  cuda::on_stream(b.ctx(), [&](auto stream) {
    const Tensor workspace = b.ctx().workspace({cuda::fused_head_workspace(N, V)}), stats = b.ctx().workspace({N, 3}),
                 logp = b.ctx().workspace({N}), entropy = b.ctx().workspace({N});
    const cuda::FusedHead call{.n = N,
                               .c = C,
                               .v = V,
                               .temperature = 1.0f,
                               .x = x.as<simt::bf16>(),
                               .w = w.as<simt::bf16>(),
                               .rows = nullptr,
                               .targets = targets.as<int32_t>(),
                               .wgmma = true};
    b.time("token_logp wgmma", concat("N=", N, " C=", C, " V=", V), Dtype::BF16,
           2.0 * double(N) * double(C) * double(V), 2.0 * double(N + V) * double(C), [&] {
             cuda::fused_head(call, workspace.as<float>(), reinterpret_cast<cuda::RowStats*>(stats.as<float>()),
                              logp.as<float>(), entropy.as<float>(), stream);
           });
  });
}

// A micro-batch of 16 completions: the loss of tokens with a KL term, one of whole completions, and the sums.
void losses(Bench& b) {
  const int64_t completions = 16, length = b.size(1024, 20), n = completions * length;
  const auto column = [&] { return b.random({n}, Dtype::F32, 0.3f); };
  const Tensor logp = column(), advantages = column(), weights = column(), old_logp = column(), ref_logp = column(),
               coef = column(), entropy = column(), loss = column(), dlogp = column(), kl = column();
  const Tensor clipped = b.ctx().workspace({n}, Dtype::I32), kl_terms = b.ctx().workspace({16 * n}, Dtype::U8),
               sums = b.ctx().workspace({completions * int64_t(sizeof(ops::PolicyLossSums))}, Dtype::U8);
  std::vector<int32_t> offsets;
  for (int64_t c = 0; c <= completions; ++c) offsets.push_back(int32_t(c * length));
  const Tensor sequences = b.ctx().from(offsets.data(), {completions + 1});
  cuda::on_stream(b.ctx(), [&](auto stream) {
    cuda::PolicyLoss call{};
    call.n = n;
    call.in.logp = logp.as<float>(), call.in.advantages = advantages.as<float>();
    call.in.weights = weights.as<float>(), call.in.old_logp = old_logp.as<float>();
    call.in.ref_logp = ref_logp.as<float>(), call.in.kl_coef = coef.as<float>();
    call.in.sequences = sequences.as<int32_t>(), call.in.sequence_count = completions;
    call.kl_terms = reinterpret_cast<double*>(kl_terms.as<uint8_t>());
    call.loss = loss.as<float>(), call.dlogp = dlogp.as<float>(), call.kl = kl.as<float>();
    call.clipped = clipped.as<int32_t>();
    const std::string shape = concat("completions=", completions, " N=", n);
    ops::PolicyLossParams params;
    const double read_and_written = 4.0 * (3 + 1 + 4 + 4 + 3);  // bytes a row: KL launch, then loss
    b.time("policy_loss clip", shape, Dtype::F32, 0, read_and_written * double(n),
           [&] { cuda::policy_loss(call, params, stream); });
    params.objective = ops::Gspo{std::get<ops::Clip>(params.objective)};
    b.time("policy_loss gspo", shape, Dtype::F32, 0, read_and_written * double(n),
           [&] { cuda::policy_loss(call, params, stream); });
    ops::SummedColumns<int32_t> summed{};
    summed.loss = call.loss, summed.kl = call.kl, summed.clipped = call.clipped, summed.weights = call.in.weights;
    summed.entropy = entropy.as<float>(), summed.logp = call.in.logp, summed.old_logp = call.in.old_logp;
    summed.sampled_logp = call.in.old_logp, summed.sequences = call.in.sequences, summed.sequence_count = completions;
    b.time("policy_loss_sums", shape, Dtype::F32, 0, 28.0 * double(n),
           [&] { cuda::policy_loss_sums(summed, reinterpret_cast<ops::PolicyLossSums*>(sums.as<uint8_t>()), stream); });
  });
}

void optimizer(Bench& b) {
  const int64_t n = b.size(int64_t{1} << 28, 5000);
  const Tensor p = b.random({n}, Dtype::BF16), master = b.random({n}, Dtype::F32), g = b.random({n}, Dtype::F32),
               m = b.random({n}, Dtype::F32), v = b.ctx().workspace({n}), codes = b.ctx().workspace({2, n}, Dtype::U8),
               scales = b.ctx().workspace({2, ops::state_blocks(n)}),
               maps = b.ctx().workspace({int64_t(sizeof ops::kDynamicMaps)}, Dtype::U8);
  for (const Tensor& t : {v, codes, scales}) t.zero();
  upload(&ops::kDynamicMaps, maps);
  cuda::on_stream(b.ctx(), [&](auto stream) {
    cuda::AdamWEntry entry{p.raw(), master.as<float>(), g.as<float>(), m.as<float>(), v.as<float>(), n, 0, 0.0f, 0};
    const Tensor table = b.ctx().workspace({int64_t(sizeof entry)}, Dtype::U8);
    upload(&entry, table);
    cuda::AdamW call{};
    call.table = reinterpret_cast<const cuda::AdamWEntry*>(table.as<uint8_t>());
    call.tensors = 1;
    call.chunks = (n + cuda::kAdamWChunk - 1) / cuda::kAdamWChunk;
    call.lr = 1e-6f, call.beta1 = 0.9f, call.beta2 = 0.99f, call.eps = 1e-8f, call.c1 = call.c2 = call.grad_scale = 1;
    b.time("adamw", concat("n=", n, ", fp32 master"), Dtype::BF16, 0, 30.0 * double(n),
           [&] { cuda::adamw(call, {.bf16_weights = true}, stream); });
    entry.m = codes.as<uint8_t>();
    entry.v = codes.as<uint8_t>() + n;
    entry.m_scales = scales.as<float>();
    entry.v_scales = scales.as<float>() + ops::state_blocks(n);
    upload(&entry, table);
    call.maps = static_cast<const ops::DynamicMaps*>(maps.raw());
    b.time("adamw", concat("n=", n, ", fp32 master, 8-bit moments"), Dtype::BF16, 0, 18.0 * double(n),
           [&] { cuda::adamw(call, {.bf16_weights = true, .state = ops::StateFormat::Bits8}, stream); });
  });
}

}  // namespace

int main(int argc, char** argv) {
  const bool small = argc > 1 && std::strcmp(argv[1], "--small") == 0;
  Bench b(small);
  const std::function<void(Bench&)> parts[] = {
      ceilings, [](Bench& x) { rows(x, Dtype::BF16); }, gemm_shapes, attention, head, losses, optimizer};
  int failed = 0;
  for (const auto& part : parts) {
    try {
      part(b);
    } catch (const Error& e) {  // one that the device has no memory for does not end the others
      std::fprintf(stderr, "error: %s\n", e.what());
      failed = 1;
    }
  }
  return failed;
}
