// Attention: the op through op_checks.h, then what makes a rollout and its training pass agree: the same bits from an
// unshared sequence, from a shared prompt, and from the cached decode, on every instruction set and thread count.
#include "attention_op_cases.h"
#include "ops/attention/cached.h"
#include "ops/attention/passes.h"
#include "simd/vmath.h"

using namespace rft;
using namespace rft::test;

namespace {

void test_cases() {
  for (const Case& c : attention_cases()) check_case(c);
}

void test_refusals() {
  Ctx ctx = make_ctx(std::make_shared<Pool>(Device::Cpu));
  const auto zeros = [&](Shape shape) {
    const Floats values(size_t(element_count(shape)), 0.0f);
    return ctx.from(values.data(), shape);
  };
  const auto call = [&](Shape q, Shape k, Shape v, std::vector<Segment> s, int heads, int kv_heads) {
    ops::attention(ctx, zeros(q), zeros(k), zeros(v), s, heads, kv_heads, 1.0f);
  };
  verify_error("refuses a query range", {"segment 0 queries", "[0, 4)", "[2, 5)"}, [&] {
    call({4, 8}, {4, 8}, {4, 8}, {{2, 3, 0, 0, 0, 4, 1}}, 1, 1);
  });
  verify_error("refuses a key range", {"segment 1 region 0", "[0, 4)", "[-1, 1)"}, [&] {
    call({4, 8}, {4, 8}, {4, 8}, {{0, 1, 0, 0, 0, 1, 1}, {1, 1, -1, 2, 0, 1, 1}}, 1, 1);
  });
  verify_error("refuses one query in two segments", {"each query in one segment", "query 1"}, [&] {
    call({4, 8}, {4, 8}, {4, 8}, {{0, 2, 0, 0, 0, 2, 1}, {1, 2, 0, 0, 0, 2, 1}}, 1, 1);
  });
  verify_error("refuses heads", {"multiple of kv heads", "3 heads, 2 kv heads"}, [&] {
    call({4, 12}, {4, 8}, {4, 8}, {}, 3, 2);
  });
  verify_error("refuses a key width", {"attention k", "(T, 8)", "(4,4)"}, [&] {
    call({4, 16}, {4, 4}, {4, 8}, {}, 4, 2);
  });
  verify_error("refuses a value shape", {"attention v", "(4,8)", "(3,8)"}, [&] {
    call({4, 8}, {4, 8}, {3, 8}, {}, 1, 1);
  });
}

// ------------------------------------------------------------------ one sequence, three ways

struct Sequences {
  Heads h;
  int64_t prompt;
  std::vector<int64_t> completions;
  Floats q, k, v;  // packed: prompt, then each completion

  int64_t tokens() const {
    int64_t n = prompt;
    for (int64_t r : completions) n += r;
    return n;
  }
  int64_t begin(size_t i) const {
    int64_t n = prompt;
    for (size_t j = 0; j < i; ++j) n += completions[j];
    return n;
  }
};

Sequences random_sequences(Random& random) {
  const Heads shapes[] = {{1, 1, 16}, {4, 2, 20}, {5, 1, 32}, {7, 1, 64}, {2, 2, 80}, {2, 1, 128}, {8, 4, 16}};
  Sequences s{shapes[random.below(7)], random.below(4) ? random.below(90) : 200 + random.below(500), {}, {}, {}, {}};
  for (int64_t g = 1 + random.below(5); g > 0; --g)
    s.completions.push_back(1 + random.below(random.below(5) ? 20 : 150));
  s.q = random.normals(s.tokens() * s.h.q_width(), 1.5);
  s.k = random.normals(s.tokens() * s.h.kv_width());
  s.v = random.normals(s.tokens() * s.h.kv_width());
  return s;
}

Floats attend(const Heads& h, const Floats& q, const Floats& k, const Floats& v, const std::vector<Segment>& segments) {
  Ctx ctx = make_ctx(std::make_shared<Pool>(Device::Cpu));
  return download(ops::attention(ctx, ctx.from(q.data(), {int64_t(q.size()) / h.q_width(), h.q_width()}),
                                 ctx.from(k.data(), {int64_t(k.size()) / h.kv_width(), h.kv_width()}),
                                 ctx.from(v.data(), {int64_t(v.size()) / h.kv_width(), h.kv_width()}), segments,
                                 h.heads, h.kv_heads, h.scale()));
}

Floats rows_of(const Floats& x, int64_t width, int64_t begin, int64_t count) {
  return Floats(x.begin() + begin * width, x.begin() + (begin + count) * width);
}

Floats shared(const Sequences& s) {
  std::vector<Segment> segments = {{0, int32_t(s.prompt), 0, 0, 0, int32_t(s.prompt), 1}};
  for (size_t i = 0; i < s.completions.size(); ++i) {
    const int32_t b = int32_t(s.begin(i)), n = int32_t(s.completions[i]);
    segments.push_back({b, n, 0, int32_t(s.prompt), b, n, 1});
  }
  return attend(s.h, s.q, s.k, s.v, segments);
}

// Completion i with its own copy of the prompt, as one plain sequence; only the completion's rows.
Floats unshared(const Sequences& s, size_t i) {
  const auto joined = [&](const Floats& x, int64_t width) {
    Floats out = rows_of(x, width, 0, s.prompt), own = rows_of(x, width, s.begin(i), s.completions[i]);
    out.insert(out.end(), own.begin(), own.end());
    return out;
  };
  const int32_t T = int32_t(s.prompt + s.completions[i]);
  const Floats out = attend(s.h, joined(s.q, s.h.q_width()), joined(s.k, s.h.kv_width()), joined(s.v, s.h.kv_width()),
                            {{0, T, 0, 0, 0, T, 1}});
  return rows_of(out, s.h.q_width(), s.prompt, s.completions[i]);
}

// A cache that owns its memory. Rows beyond `len` hold what a first use leaves there: anything.
struct Cache {
  std::vector<float> memory;
  ops::KvCache cache;
  Cache(const Heads& h, int64_t capacity)
      : memory(size_t(ops::kv_cache_size(capacity, h.kv_heads, h.D)), std::nanf("")),
        cache(ops::kv_cache_at(memory.data(), capacity, h.kv_heads, h.D)) {}
};

Cache prompt_cache(const Heads& h, const float* k, const float* v, int64_t len) {
  Cache c(h, len);
  ops::fill_kv_cache(c.cache, k, v, h.kv_heads, h.D);
  return c;
}

// Filled row by row, as a decode does, with room for more.
Cache own_cache(const Heads& h, const float* k, const float* v, int64_t len, int64_t capacity) {
  Cache c(h, capacity);
  for (int64_t i = 0; i < len; ++i)
    ops::write_kv_cache(c.cache, i, k + i * h.kv_width(), v + i * h.kv_width(), h.kv_heads, h.D);
  return c;
}

// The last row of every completion, decoded from the cache.
Floats decoded(const Sequences& s, int64_t spare) {
  const Cache prompt = prompt_cache(s.h, s.k.data(), s.v.data(), s.prompt);
  std::vector<Cache> own;
  std::vector<ops::CachedRow> rows;
  Floats q;
  for (size_t i = 0; i < s.completions.size(); ++i) {
    const int64_t at = s.begin(i) * s.h.kv_width(), n = s.completions[i];
    own.push_back(own_cache(s.h, s.k.data() + at, s.v.data() + at, n, n + spare));
    rows.push_back({prompt.cache, own.back().cache, n});
    const Floats last = rows_of(s.q, s.h.q_width(), s.begin(i) + n - 1, 1);
    q.insert(q.end(), last.begin(), last.end());
  }
  Floats out(q.size());
  ops::cached_attention(q.data(), out.data(), rows, s.h.heads, s.h.kv_heads, s.h.D, s.h.scale());
  return out;
}

std::string three_ways(const Sequences& s) {
  const Floats all = shared(s);
  const std::string where = concat(" (prompt ", s.prompt, ", heads ", s.h.heads, "/", s.h.kv_heads, ", D ", s.h.D, ")");
  for (size_t i = 0; i < s.completions.size(); ++i) {
    const Floats own = rows_of(all, s.h.q_width(), s.begin(i), s.completions[i]);
    const auto detail = compare_bits(concat("completion ", i, where, " shared"), own, unshared(s, i));
    if (!detail.empty()) return detail;
    const Floats last = rows_of(own, s.h.q_width(), s.completions[i] - 1, 1);
    for (int64_t spare : {0, 37}) {
      const Floats step = rows_of(decoded(s, spare), s.h.q_width(), int64_t(i), 1);
      const auto decode_detail = compare_bits(concat("completion ", i, where, " cached"), step, last);
      if (!decode_detail.empty()) return decode_detail;
    }
  }
  return "";
}

void test_three_ways() {
  const int threads = num_threads();
  const simd::Isa best = simd::isa();
  for (auto [isa, name] :
       {std::pair{simd::Isa::Portable, "portable"}, {simd::Isa::Avx2, "avx2"}, {simd::Isa::Avx512, "avx512"}}) {
    try {
      simd::set_isa_for_test(isa);
    } catch (const Error&) {
      continue;  // this CPU has no such instructions
    }
    for (int n : {1, 2}) {
      set_num_threads(n);
      verify(concat("shared, unshared and cached agree bit for bit, ", name, ", threads ", n),
             [&, isa = isa]() -> std::string {
               Random random(uint64_t(100 + n));
               for (int i = 0; i < (isa == simd::Isa::Portable ? 12 : 60); ++i) {
                 const auto detail = three_ways(random_sequences(random));
                 if (!detail.empty()) return detail;
               }
               return "";
             });
    }
  }
  simd::set_isa_for_test(best);
  set_num_threads(threads);
}

// Groups of several prompts in one decode call, single rows, empty prompts and empty own keys.
void test_decode_batch() {
  verify("cached decode of a mixed batch equals its rows alone", []() -> std::string {
    const Heads h{4, 2, 32};
    Random random(5);
    const Floats k = random.normals(400 * h.kv_width()), v = random.normals(400 * h.kv_width());
    std::vector<ops::CachedRow> rows;
    std::vector<Cache> own;
    const auto at = [&](const Floats& x, int64_t row) { return x.data() + row * h.kv_width(); };
    const Cache one = prompt_cache(h, at(k, 0), at(v, 0), 90), two = prompt_cache(h, at(k, 160), at(v, 160), 33);
    for (int64_t i = 0; i < 70; ++i) {
      const int64_t begin = 200 + random.below(100), length = i % 9 == 3 ? 0 : random.below(80);
      own.push_back(own_cache(h, at(k, begin), at(v, begin), length, 80));
      rows.push_back({i < 40 ? one.cache : i < 45 ? ops::KvCache{} : two.cache, own.back().cache, length});
    }
    const Floats q = random.normals(70 * h.q_width());
    Floats together(q.size());
    ops::cached_attention(q.data(), together.data(), rows, h.heads, h.kv_heads, h.D, h.scale());
    for (int64_t i = 0; i < 70; ++i) {
      Floats alone(size_t(h.q_width()));
      ops::cached_attention(q.data() + i * h.q_width(), alone.data(), {rows[size_t(i)]}, h.heads, h.kv_heads, h.D,
                            h.scale());
      const auto detail = compare_bits(concat("row ", i), rows_of(together, h.q_width(), i, 1), alone);
      if (!detail.empty()) return detail;
      if (rows[size_t(i)].prompt.capacity + rows[size_t(i)].own_len == 0 && alone != Floats(alone.size(), 0.0f))
        return "a row without keys is not 0";
    }
    return "";
  });
}

// ------------------------------------------------------------------ gradients

std::vector<Floats> gradients(const Heads& h, const Floats& q, const Floats& k, const Floats& v, const Floats& dout,
                              const std::vector<Segment>& segments) {
  Case c = attention_case("", int64_t(q.size()) / h.q_width(), int64_t(k.size()) / h.kv_width(), segments, h);
  c.inputs[0].values = q;
  c.inputs[1].values = k;
  c.inputs[2].values = v;
  RunOptions options;
  options.cotangents = {dout};
  return run_case(c, options).gradients;
}

void test_cuts() {
  using ops::attention_detail::BackwardCut;
  verify("backward by components and by key blocks agree bit for bit", []() -> std::string {
    Random random(8);
    for (int i = 0; i < 20; ++i) {
      const Sequences s = random_sequences(random);
      std::vector<Segment> segments = {{0, int32_t(s.prompt), 0, 0, 0, int32_t(s.prompt), 1}};
      for (size_t j = 0; j < s.completions.size(); ++j) {
        const int32_t b = int32_t(s.begin(j)), n = int32_t(s.completions[j]);
        segments.push_back({b, n, 0, int32_t(s.prompt), b, n, 1});
      }
      const Floats dout = random.normals(int64_t(s.q.size()));
      ops::attention_detail::set_backward_cut_for_test(BackwardCut::Components);
      const auto one = gradients(s.h, s.q, s.k, s.v, dout, segments);
      ops::attention_detail::set_backward_cut_for_test(BackwardCut::KeyBlocks);
      const auto two = gradients(s.h, s.q, s.k, s.v, dout, segments);
      ops::attention_detail::set_backward_cut_for_test(BackwardCut::Auto);
      for (size_t g = 0; g < 3; ++g) {
        const auto detail = compare_bits(concat("gradient ", g), two[g], one[g]);
        if (!detail.empty()) return detail;
      }
    }
    return "";
  });
}

// The gradient of a shared prompt is the sum of its copies' gradients.
void test_shared_gradients() {
  verify("a shared prompt's gradients equal those of copies", []() -> std::string {
    Random random(12);
    const Heads h{4, 2, 32};
    Sequences s{h, 50, {7, 20, 1, 12}, {}, {}, {}};
    s.q = random.normals(s.tokens() * h.q_width());
    s.k = random.normals(s.tokens() * h.kv_width());
    s.v = random.normals(s.tokens() * h.kv_width());
    std::vector<Segment> together, apart;
    std::vector<int64_t> source;  // row of the shared pack that a row of the unshared one copies
    for (size_t i = 0; i < s.completions.size(); ++i) {
      const int32_t b = int32_t(s.begin(i)), n = int32_t(s.completions[i]), P = int32_t(s.prompt),
                    at = int32_t(source.size());
      together.push_back({b, n, 0, P, b, n, 1});
      apart.push_back({at, P + n, 0, 0, at, P + n, 1});
      for (int64_t r = 0; r < P; ++r) source.push_back(r);
      for (int64_t r = 0; r < n; ++r) source.push_back(b + r);
    }
    const auto expand = [&](const Floats& x, int64_t width, bool prompt) {
      Floats out;
      for (int64_t r : source) {
        Floats row = prompt || r >= s.prompt ? rows_of(x, width, r, 1) : Floats(size_t(width), 0.0f);
        out.insert(out.end(), row.begin(), row.end());
      }
      return out;
    };
    const Floats dout = random.normals(int64_t(s.q.size()));
    const auto one = gradients(h, s.q, s.k, s.v, dout, together);
    const auto copies = gradients(h, expand(s.q, h.q_width(), true), expand(s.k, h.kv_width(), true),
                                  expand(s.v, h.kv_width(), true), expand(dout, h.q_width(), false), apart);
    for (size_t g = 0; g < 3; ++g) {
      const int64_t width = g ? h.kv_width() : h.q_width();
      Array wanted(one[g].size(), 0.0);
      for (size_t r = 0; r < source.size(); ++r)
        for (int64_t c = 0; c < width; ++c)
          wanted[size_t(source[r] * width + c)] += double(copies[g][r * size_t(width) + size_t(c)]);
      const auto detail = compare(concat("gradient ", g), one[g], wanted, width, 1e-6);
      if (!detail.empty()) return detail;
    }
    return "";
  });
}

// Far more keys than one tile's scores usually take; scores that would overflow without the maximum.
void test_extremes() {
  verify("32k keys in one segment", []() -> std::string {
    const Heads h{1, 1, 16};
    const int32_t T = 32768;
    Random random(3);
    const Floats q = random.normals(T * 16), k = random.normals(T * 16), v = random.normals(T * 16);
    const Floats out = attend(h, q, k, v, {{0, T, 0, 0, 0, T, 1}});
    const Array last = attention_reference(Array(q.end() - 16, q.end()), Array(k.begin(), k.end()),
                                           Array(v.begin(), v.end()), {{0, 1, 0, 0, 0, T, 1}}, h);
    return compare("last row", rows_of(out, 16, T - 1, 1), last, 16, 1e-5);
  });
  verify("scores of 1e4 neither overflow nor vanish", []() -> std::string {
    const Heads h{1, 1, 16};
    Random random(4);
    for (double mean : {-25.0, 25.0}) {
      const Floats q = random.normals(9 * 16, 1, 50), k = random.normals(9 * 16, 1, mean * 2),
                   v = random.normals(9 * 16);
      const Floats out = attend(h, q, k, v, {{0, 9, 0, 0, 0, 9, 1}});
      for (float x : out)
        if (!std::isfinite(x)) return concat("an output of ", x);
    }
    return "";
  });
}

}  // namespace

int main() {
  test_cases();
  test_refusals();
  test_three_ways();
  test_decode_batch();
  test_cuts();
  test_shared_gradients();
  test_extremes();
  return failures ? 1 : 0;
}
