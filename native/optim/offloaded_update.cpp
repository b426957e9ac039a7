// The update of an optimizer whose state lives in pinned memory of the host. Pieces of it visit the device, two at a
// time on a stream each: while one is updated or copied out, the other is copied in. Kernel and arguments are those of
// a state on the device, and an element keeps its place in its tensor, so the bits are the same.
#include <algorithm>

#include "ops/adamw/launch.h"
#include "optim/optimizer.h"
#include "tensor/dispatch.h"
#include "tensor/values.h"

namespace rft {

// Elements [begin, begin + n) of one parameter's state.
struct Optimizer::Piece {
  struct Array {  // moments, the F32 copy or scales: bytes [first, first + bytes) of an array of the host
    char* host;
    size_t first, bytes, place;  // place: in the slot
  };
  size_t state;
  int64_t begin, n;
  Array m{}, v{}, master{}, m_scales{}, v_scales{};
  size_t bytes = 0;  // of the slot

  Array add(const Tensor& t, int64_t per_value) {  // elements that share a value of t
    if (!t) return {};
    const size_t size = size_of(t.dtype());
    const auto values = [&](int64_t elements) { return size_t((elements + per_value - 1) / per_value) * size; };
    const Array out{static_cast<char*>(t.raw()), values(begin), values(n), bytes};
    bytes = (bytes + out.bytes + 255) / 256 * 256;
    return out;
  }
  std::vector<Array> arrays() const { return {m, v, master, m_scales, v_scales}; }
};

std::vector<Optimizer::Piece> Optimizer::pieces() const {
  std::vector<Piece> out;
  for (size_t i = 0; i < states_.size(); ++i) {
    const State& s = states_[i];
    if (!has_work(s)) continue;
    const int64_t count = model_.weights().at(s.name).value.count();
    for (int64_t begin = 0; begin < count; begin += options_.offload_piece) {
      Piece piece{.state = i, .begin = begin, .n = std::min(options_.offload_piece, count - begin)};
      piece.m = piece.add(s.m.values, 1);
      piece.v = piece.add(s.v.values, 1);
      piece.master = piece.add(s.master, 1);
      piece.m_scales = piece.add(s.m.scales, ops::kStateBlock);
      piece.v_scales = piece.add(s.v.scales, ops::kStateBlock);
      out.push_back(piece);
    }
  }
  return out;
}

void Optimizer::update_offloaded(Ctx& ctx, float lr, float scale) {
  const std::vector<Piece> all = pieces();
  size_t most = 0;
  for (const Piece& piece : all) most = std::max(most, piece.bytes);
  if (all.empty()) return;
  const Tensor slots[2] = {ctx.workspace({int64_t(most)}, Dtype::U8), ctx.workspace({int64_t(most)}, Dtype::U8)};
  run_pieces(ctx, all, slots, lr, scale);
}

void Optimizer::run_pieces(Ctx& ctx, const std::vector<Piece>& pieces, const Tensor (&slots)[2], float lr,
                           float scale) {
  std::vector<cuda::AdamWEntry> table;
  for (size_t k = 0; k < pieces.size(); ++k) {
    const Piece& piece = pieces[k];
    // Where element 0 would be if the whole array were in the slot: the kernel goes by places in the tensor.
    const auto origin = [&](const Piece::Array& a) -> void* {
      if (!a.host) return nullptr;
      return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(slots[k % 2].raw()) + a.place - a.first);
    };
    cuda::AdamWEntry e = entry(piece.state, lr);
    e.m = origin(piece.m);
    e.v = origin(piece.v);
    e.master = static_cast<float*>(origin(piece.master));
    e.m_scales = static_cast<float*>(origin(piece.m_scales));
    e.v_scales = static_cast<float*>(origin(piece.v_scales));
    e.n = piece.begin + piece.n;
    e.first_chunk = -(piece.begin / cuda::kAdamWChunk);
    table.push_back(e);
  }
  const Tensor entries = ctx.workspace({int64_t(table.size() * sizeof(table[0]))}, Dtype::U8);
  upload(table.data(), entries);
  const Tensor maps = upload_maps(ctx);
  if (ctx.meta()) return;
  cuda::AdamW one = call(lr, scale, maps);
  one.tensors = 1;
  device::synchronize();  // gradients and the table are there, and nobody uses the slots
  device::SideStream streams[2];
  for (size_t k = 0; k < pieces.size(); ++k) {
    const Piece& piece = pieces[k];
    device::SideStream& stream = streams[k % 2];
    char* slot = static_cast<char*>(slots[k % 2].raw());
    for (const Piece::Array& a : piece.arrays()) stream.to_device(slot + a.place, a.host + a.first, a.bytes);
    one.table = static_cast<const cuda::AdamWEntry*>(entries.raw()) + k;
    one.chunks = (piece.n + cuda::kAdamWChunk - 1) / cuda::kAdamWChunk;
    const device::OnStream here(stream.get());
    launch(one, states_[piece.state].format);
    for (const Piece::Array& a : piece.arrays()) stream.to_host(a.host + a.first, slot + a.place, a.bytes);
  }
  for (device::SideStream& stream : streams) stream.synchronize();
}

}  // namespace rft
