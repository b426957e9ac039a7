// Every differentiable op of native/ops but attention and the log-prob head, through op_checks.h; then what the cases
// cannot say: refused inputs, empty inputs, gradients that never came.
#include "op_cases.h"
#include "op_checks.h"

using namespace rft;
using namespace rft::test;

namespace {

struct Bench {
  Ctx ctx = make_ctx(std::make_shared<Pool>(Device::Cpu));
  Tensor f(Shape shape) {
    const Floats values = Random(9).normals(element_count(shape));
    return ctx.from(values.data(), shape);
  }
  Tensor i(std::vector<int32_t> ids) { return ctx.from(ids.data(), {int64_t(ids.size())}); }
};

void test_refusals() {
  Bench b;
  Ctx& c = b.ctx;
  verify_error("embed refuses an id past the table", {"embed ids[1]", "[0, 5)", "received 5"}, [&] {
    ops::embed(c, b.i({0, 5}), b.f({5, 3}));
  });
  verify_error("embed refuses a negative id", {"embed ids[0]", "received -1"}, [&] {
    ops::embed(c, b.i({-1}), b.f({5, 3}));
  });
  verify_error("linear refuses a width", {"linear x", "(T,4)", "(3,4)", "(2,5)"}, [&] {
    ops::linear(c, b.f({2, 5}), b.f({3, 4}), {});
  });
  verify_error("linear refuses a bias", {"linear bias", "(3)", "(4)"}, [&] {
    ops::linear(c, b.f({2, 4}), b.f({3, 4}), b.f({4}));
  });
  verify_error("rms_norm refuses a width", {"rms_norm x", "(4)", "(2,6)"}, [&] {
    ops::rms_norm(c, b.f({2, 6}), b.f({4}), 1e-6f);
  });
  verify_error("layer_norm refuses a width", {"layer_norm x", "(4)", "(2,8)"}, [&] {
    ops::layer_norm(c, b.f({2, 8}), b.f({4}), b.f({4}), 1e-6f);
  });
  verify_error("layer_norm refuses a bias", {"layer_norm b", "(4)", "(3)"}, [&] {
    ops::layer_norm(c, b.f({2, 4}), b.f({4}), b.f({3}), 1e-6f);
  });
  verify_error("rope refuses a table of other rows", {"rope cos", "3 rows", "(2,2)"}, [&] {
    ops::rope(c, b.f({3, 8}), b.f({2, 2}), b.f({2, 2}));
  });
  verify_error("rope refuses a head size", {"rope x", "(3,10)"}, [&] {
    ops::rope(c, b.f({3, 10}), b.f({3, 2}), b.f({3, 2}));
  });
  verify_error("rope refuses unequal tables", {"rope sin", "(3,2)", "(3,4)"}, [&] {
    ops::rope(c, b.f({3, 8}), b.f({3, 2}), b.f({3, 4}));
  });
  verify_error("silu_mul refuses unequal shapes", {"silu_mul up", "(2,3)", "(3,2)"}, [&] {
    ops::silu_mul(c, b.f({2, 3}), b.f({3, 2}));
  });
  verify_error("add refuses unequal shapes", {"add b", "(2,3)", "(3,2)"}, [&] {
    ops::add(c, b.f({2, 3}), b.f({3, 2}));
  });
  verify_error("split_columns refuses widths", {"split_columns widths", "8", "7"}, [&] {
    ops::split_columns(c, b.f({2, 8}), {3, 4});
  });
  verify_error("gather_rows refuses a row", {"gather_rows rows[1]", "(2,3)", "received 2"}, [&] {
    ops::gather_rows(c, b.f({2, 3}), b.i({0, 2}));
  });
  verify_error("scatter_rows refuses a row twice", {"scatter_rows rows[1]", "1 a second time"}, [&] {
    ops::scatter_rows(c, b.f({3, 2}), b.i({1, 1}), b.f({2, 2}));
  });
  verify_error("scatter_rows refuses a row past the end", {"scatter_rows rows[0]", "received 3"}, [&] {
    ops::scatter_rows(c, b.f({3, 2}), b.i({3}), b.f({1, 2}));
  });
  verify_error("scatter_rows refuses a source", {"scatter_rows src", "(1,2)", "(2,2)"}, [&] {
    ops::scatter_rows(c, b.f({3, 2}), b.i({1}), b.f({2, 2}));
  });
  verify_error("ops refuse another element type", {"tensor", "element type"}, [&] {
    ops::add(c, b.i({1, 2}), b.i({1, 2}));
  });
}

// The gradient of each float input when the sum of all outputs goes backward.
std::vector<Floats> gradients_of_sum(Bench& b, const std::vector<Tensor>& inputs,
                                     const std::function<Tensor(Ctx&)>& run) {
  Tape tape;
  b.ctx.tape = &tape;
  for (const Tensor& x : inputs) x.set_requires_grad(true);
  Tensor y = run(b.ctx);
  const Floats ones(static_cast<size_t>(y.count()), 1.0f);
  y.set_grad(b.ctx.from(ones.data(), y.shape()));
  tape.backward(b.ctx);
  b.ctx.tape = nullptr;
  std::vector<Floats> out;
  for (const Tensor& x : inputs) out.push_back(download(x.grad()));
  return out;
}

std::string expect_zero(const Floats& got, size_t n) {
  return same_bits(got, Floats(n)) ? "" : "the gradient is not 0";
}

void test_empty() {
  Bench b;
  verify("linear of no rows has weight gradient 0", [&] {
    Tensor x = b.f({0, 4}), w = b.f({3, 4}), bias = b.f({3});
    const auto g = gradients_of_sum(b, {x, w, bias}, [&](Ctx& c) { return ops::linear(c, x, w, bias); });
    return expect_zero(g[1], 12) + expect_zero(g[2], 3);
  });
  verify("embed of no ids has gradient 0", [&] {
    Tensor w = b.f({3, 4}), ids = b.i({});
    return expect_zero(gradients_of_sum(b, {w}, [&](Ctx& c) { return ops::embed(c, ids, w); })[0], 12);
  });
  verify("norms of no rows have gradient 0", [&] {
    Tensor x = b.f({0, 4}), w = b.f({4}), bias = b.f({4});
    const auto g = gradients_of_sum(
        b, {w, bias}, [&](Ctx& c) { return ops::layer_norm(c, ops::rms_norm(c, x, w, 1e-6f), w, bias, 1e-6f); });
    return expect_zero(g[0], 4) + expect_zero(g[1], 4);
  });
  verify("scatter of no rows is the base", [&]() -> std::string {
    Tensor base = b.f({3, 2}), none = b.i({}), src = b.f({0, 2});
    return compare_bits("output", download(ops::scatter_rows(b.ctx, base, none, src)), download(base));
  });
  verify("gather of no rows has gradient 0", [&] {
    Tensor x = b.f({3, 2}), none = b.i({});
    return expect_zero(gradients_of_sum(b, {x}, [&](Ctx& c) { return ops::gather_rows(c, x, none); })[0], 6);
  });
}

void test_graphs() {
  Bench b;
  verify("split_columns part without gradient counts as 0", [&] {
    Tensor x = b.f({2, 3});
    const auto g = gradients_of_sum(b, {x}, [&](Ctx& c) { return ops::split_columns(c, x, {1, 2})[0]; });
    return compare_bits("gradient", g[0], {1, 0, 0, 1, 0, 0});
  });
  verify("an input used twice gets both gradients", [&] {
    Tensor x = b.f({2, 3});
    const auto g = gradients_of_sum(b, {x}, [&](Ctx& c) { return ops::add(c, ops::add(c, x, x), x); });
    return compare_bits("gradient", g[0], Floats(6, 3.0f));
  });
  verify("a residual stream keeps its branches apart", [&] {
    Tensor x = b.f({2, 3}), w = b.f({3, 3});
    const auto branch = [&](Ctx& c) { return ops::add(c, x, ops::linear(c, x, w, {})); };
    const auto g = gradients_of_sum(b, {x, w}, branch);
    Array wanted;
    for (int64_t i = 0; i < 6; ++i)
      wanted.push_back(1.0 + double(w.f32()[i % 3]) + w.f32()[3 + i % 3] + w.f32()[6 + i % 3]);
    return compare("gradient", g[0], wanted, 3, 1e-6);
  });
}

}  // namespace

int main() {
  for (const Case& c : op_cases()) check_case(c);
  test_refusals();
  test_empty();
  test_graphs();
  return failures == 0 ? 0 : 1;
}
