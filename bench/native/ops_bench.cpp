// The cases of the op tests as rows, with the error against their references; then the same ops at shapes of training
// (quickstart: 2048 packed rows of width 128) and of a 0.5 B model.
//   ops_bench [filter]
#include "../../test/native/op_cases.h"
#include "timing.h"

using namespace rft;

namespace {

std::vector<test::Array> to_double(const test::Case& c) {
  std::vector<test::Array> out;
  for (const test::Input& in : c.inputs)
    out.push_back(in.is_int ? test::Array(in.ints.begin(), in.ints.end())
                            : test::Array(in.values.begin(), in.values.end()));
  return out;
}

double forward_error(const test::Case& c) {
  const auto wanted = c.reference(to_double(c));
  const auto got = test::run_case(c).outputs;
  double worst = 0;
  for (size_t i = 0; i < wanted.size(); ++i) worst = std::max(worst, bench::relative_error(got[i], wanted[i]));
  return worst;
}

// Inputs and outputs, each once.
double moved_bytes(const test::Case& c, const std::vector<Tensor>& outputs) {
  double bytes = 0;
  for (const test::Input& in : c.inputs) bytes += 4.0 * double(in.count());
  for (const Tensor& t : outputs) bytes += double(t.bytes());
  return bytes;
}

// `flops` of the forward pass; the backward pass of a product costs two more of them.
void rows_of(const test::Case& c, double flops = 0) {
  if (!bench::wanted(c.op + " forward+backward", c.shape)) return;
  Ctx ctx = bench::make_ctx();
  const std::vector<Tensor> inputs = test::upload(ctx, c, {});
  const std::vector<Tensor> outputs = c.run(ctx, inputs);
  const double bytes = moved_bytes(c, outputs), error = forward_error(c);
  bench::row(c.op + " forward", c.shape, {flops, bytes, error}, [&] { c.run(ctx, inputs); });
  std::vector<Tensor> cotangents;
  for (const Tensor& t : outputs) cotangents.push_back(bench::noise(ctx, t.shape()));
  bench::row(c.op + " forward+backward", c.shape, {3 * flops, 3 * bytes, error}, [&] {
    Tape tape;
    ctx.tape = &tape;
    const std::vector<Tensor> out = c.run(ctx, inputs);
    for (size_t i = 0; i < out.size(); ++i) out[i].set_grad(cotangents[i]);
    tape.backward(ctx);
    for (const Tensor& t : inputs) t.set_grad({});
    ctx.tape = nullptr;
  });
}

void training_shapes() {
  struct Sizes {
    int64_t T, C, F, V, heads, half;
  };
  for (const Sizes& s : {Sizes{2048, 128, 384, 512, 4, 16}, Sizes{512, 896, 4864, 8192, 14, 32}}) {
    rows_of(test::embed_case(s.V, s.C, test::random_ids(s.T, s.V, 1)));
    rows_of(test::linear_case(s.T, s.C, s.C, true), 2.0 * double(s.T * s.C * s.C));
    rows_of(test::rms_norm_case(s.T, s.C));
    rows_of(test::layer_norm_case(s.T, s.C));
    rows_of(test::rope_case(s.T, s.heads, s.half));
    rows_of(test::silu_mul_case(s.T, s.F));
    rows_of(test::gelu_case(ops::Gelu::Erf, s.T, s.F));
    rows_of(test::add_case(s.T, s.C));
    rows_of(test::split_columns_case(s.T, {s.C, s.C / 2, s.C / 2}));
    rows_of(test::gather_rows_case(s.T, s.C, test::random_ids(s.T, s.T, 2)));
  }
}

}  // namespace

int main(int argc, char** argv) {
  bench::filter = argc > 1 ? argv[1] : "";
  bench::row_seconds = 0.05;
  for (const test::Case& c : test::op_cases()) rows_of(c);
  bench::row_seconds = 0.3;
  training_shapes();
  return 0;
}
