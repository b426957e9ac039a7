// Policy losses with their gradient over 65,536 tokens and advantages of 4,096 groups of 8: the native kernels as Node
// calls them, copies included, beside their readable twins. Peer: peers/rl.py (torch).
//   node bench/rl.mjs [filter]     RFT_THREADS: threads
import { groupAdvantage as twinAdvantage, policyLoss as twinLoss } from '../dist/algorithms/index.js'
import { groupAdvantage, policyLoss } from '../dist/kernels.js'
import { native } from '../dist/native/binding.js'
import { measure } from './rows.mjs'

native().setThreads(Number(process.env.RFT_THREADS ?? 1))
const [tokens, length, groups, size] = [65536, 256, 4096, 8]

/** A repeatable number in [0, 1). */
const uniform = (i) => ((Math.imul(i + 1, 0x9e3779b1) >>> 8) % 65536) / 65536
const column = (salt, scale, shift) =>
  Float32Array.from({ length: tokens }, (_, i) => scale * uniform(i * 8 + salt) + shift)

const logp = column(1, -3, 0)
const near = (salt) => logp.map((value, i) => value + 0.6 * uniform(i * 8 + salt) - 0.3)
const columns = {
  advantages: Float32Array.from({ length: tokens }, (_, i) => 4 * uniform(Math.floor(i / length)) - 2),
  weights: new Float32Array(tokens).fill(1 / tokens),
  oldLogp: near(2),
  kl: { refLogp: near(3), coef: 0.04, estimator: 'k3', biasCorrected: false },
  selected: Uint8Array.from({ length: tokens }, (_, i) => (uniform(i) < 0.02 ? 1 : 0)),
  sequences: Int32Array.from({ length: tokens / length + 1 }, (_, b) => b * length),
}
const bounds = { clipLow: 0.2, clipHigh: 0.28, dualClip: null, ratioCap: null }
const losses = [
  ...['clip', 'gspo', 'gspo-token', 'sequence-product'].map((kind) => ({ kind, ...bounds })),
  { kind: 'cispo', bound: 'absolute', clipLow: 0, clipHigh: 5 },
  { kind: 'reinforce' },
  { kind: 'sapo', tauPositive: 1, tauNegative: 1.05 },
  { kind: 'gmpo', clipLow: 0.4, clipHigh: 0.4 },
  { kind: 'vespo', kPositive: 2, lambdaPositive: 3, kNegative: 3, lambdaNegative: 2 },
  { kind: 'kl-cov', covCoef: 1 },
]
for (const loss of losses) {
  const shape = `${loss.kind} N ${tokens}`
  const input = { ...columns, loss }
  await measure({ kernel: 'policy_loss', shape }, () => void policyLoss(logp, input), { tokens, seconds: 1 })
  await measure({ kernel: 'policy_loss twin', shape }, () => void twinLoss(logp, input), { tokens, seconds: 1 })
}

const rewards = Float32Array.from({ length: groups * size }, (_, i) => uniform(i))
const groupIds = Int32Array.from({ length: groups * size }, (_, i) => Math.floor(i / size))
const rule = { kind: 'group', scale: 'group', eps: 1e-4, ddof: 1 }
const shape = `groups ${groups} x ${size}`
await measure({ kernel: 'group_advantage', shape }, () => void groupAdvantage(rewards, groupIds, rule), { seconds: 1 })
await measure(
  { kernel: 'group_advantage twin', shape },
  () => void twinAdvantage({ rewards, groupIds }, 'group', rule),
  { seconds: 1 },
)
