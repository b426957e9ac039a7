// What the engine promises against its peers, each as a ratio of medians in one run on the same cores. At one thread
// processor time is compared, which neighbours on the machine disturb least; at several threads time on the clock.

const square = (kind) => ({ suite: 'gemm', kernel: `gemm ${kind}`, shape: '1024x1024x1024', faster: 0.95 })
const fewRows = (m) => ({ suite: 'gemm', kernel: 'gemm packed', shape: `${m}x4096x1024`, faster: 2 })
const heads = (D) => ({
  ...{ suite: 'attention', kernel: 'attention forward+backward', shape: `T 1024 heads 8/8 D ${D}`, faster: 1.3 },
})
const vocabulary = (V) => ({
  ...{ suite: 'token_logp', kernel: 'token_logp forward+backward', shape: `N 512 C 896 V ${V}`, faster: 1.3 },
  memory: { of: 'extra_mb', share: 1 / 10 },
})
const sequences = (batch) => ({ suite: 'generate', kernel: 'generate', shape: `batch ${batch} new 48`, faster: 5 })
const step = (peer, faster) => ({
  ...{ suite: 'step', kernel: 'grpo step', shape: '16 prompts x 8, 84x84 image, 14 new', peer, faster },
  memory: { of: 'max_rss_mb', share: 1 / 3 },
})

/** `peer`: beginning of its name where a suite has several. `memory`: ours is at most this share of theirs. */
export const goals = [
  ...['nn', 'nt', 'tn'].map(square),
  ...[1, 2, 4, 6, 8, 12, 16].map(fewRows),
  ...[64, 128].map(heads),
  ...[32000, 151936].map(vocabulary),
  { suite: 'rl', kernel: 'policy_loss', shape: 'clip N 65536', faster: 3 },
  { suite: 'rl', kernel: 'group_advantage', shape: 'groups 4096 x 8', faster: 3 },
  ...[1, 8, 64].map(sequences),
  step('trl', 5),
  step('lean loop', 3),
  // our own update with shared prompts against our own with every completion behind a copy of its prompt
  { suite: 'packing', kernel: 'update', shape: 'P 512 R 64 G 8', faster: 3 },
]
