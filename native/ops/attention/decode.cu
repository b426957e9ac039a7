#include "ops/attention/decode.cuh"

#include "ops/attention/dispatch.cuh"

namespace rft::cuda {

using namespace attention;

std::vector<DecodeTile> decode_tiles(const std::vector<DecodeGroup>& groups, int group) {
  std::vector<DecodeTile> tiles;
  int32_t first = 0;
  for (const DecodeGroup& g : groups) {
    if (g.prompt_len >= kChunkKeys)
      for (int32_t r = 0; r < g.sequences * group; r += kTileRows) tiles.push_back({first, g.sequences, r, 1});
    for (int32_t s = first; s < first + g.sequences; ++s)
      for (int32_t r = 0; r < group; r += kTileRows) tiles.push_back({s, 1, r, 0});
    first += g.sequences;
  }
  return tiles;
}

namespace {

template <class T, int D, int Warps>
void run(const DecodeParams<T>& params, int chunks, int tiles, Stream stream) {
  const dim3 grid(unsigned(chunks), unsigned(params.sizes.kv_heads), unsigned(tiles * kParts<Warps>));
  launch(Launch{"attention_decode", grid, dim3(32 * Warps), AttendMemory<T, D, Warps>::kBytes, stream},
         attention_decode_kernel<T, D, Warps>, params);
}

}  // namespace

template <class T>
void attention_decode(const AttentionSizes& sizes, const DecodeCall<T>& call, Stream stream) {
  const HeadSizes heads = checked(sizes, "attention_decode");
  if (sizes.query_rows == 0) return;
  const int chunks = int((call.most_keys + kChunkKeys - 1) / kChunkKeys);
  expect(call.tile_count < 16384, "attention_decode tiles", "fewer than 16384", call.tile_count);
  const DecodeParams<T> params{call.q,         call.out, call.sequences, call.tiles,
                               call.workspace, chunks,   heads,          sizes.scale};
  if (chunks > 0)
    with_head_size(sizes.head_dim, [&](auto size) {
      constexpr int D = decltype(size)::value;
      if constexpr (D == 128)
        if (!fits(AttendMemory<T, D, kWarps>::kBytes))
          return run<T, D, kFewWarps<T>>(params, chunks, int(call.tile_count), stream);
      run<T, D, kWarps>(params, chunks, int(call.tile_count), stream);
    });
  const dim3 grid(unsigned(sizes.query_rows), unsigned((sizes.heads + kWarps - 1) / kWarps));
  launch(Launch{"attention_merge", grid, dim3(kBlockThreads), 0, stream}, attention_merge_kernel<T>, params);
}

template void attention_decode(const AttentionSizes&, const DecodeCall<float>&, Stream);
template void attention_decode(const AttentionSizes&, const DecodeCall<bf16>&, Stream);

}  // namespace rft::cuda
