/** What a policy loss adds up to, written for reading: what the engine's sums must be. */
import { policyLoss } from '../../src/algorithms/index.ts'
import type { PolicyLossInput, PolicyLossSums, ScoreOutput } from '../../src/native/types.ts'

export function policyLossSums({ logp, entropy }: ScoreOutput, input: PolicyLossInput): PolicyLossSums {
  const columns = policyLoss(logp, input)
  const rows = Array.from(input.weights, (weight, i) => ({ i, weight }))
  const sum = (term: (i: number) => number, chosen = rows) => chosen.reduce((total, { i }) => total + term(i), 0)
  const trained = rows.filter(({ i, weight }) => weight > 0 && (input.keep?.[i] ?? 1) > 0)
  const differences = rows.map(({ i }) => (input.sampledLogp ? Math.abs(logp[i]! - input.sampledLogp[i]!) : 0))
  const offsets = Array.from(input.sequences ?? [0, rows.length])
  const clippedAt = (side: number) =>
    Int32Array.from(
      offsets.slice(1),
      (end, b) => columns.clipped.subarray(offsets[b]!, end).filter((c) => c === side).length,
    )
  return {
    loss: sum((i) => input.weights[i]! * columns.loss[i]!),
    bonus: sum((i) => (input.entropyWeights ? input.entropyWeights[i]! * entropy[i]! : 0)),
    kl: sum((i) => columns.kl[i]!),
    entropy: sum((i) => entropy[i]!, trained),
    entropyRows: trained.length,
    difference: differences.reduce((a, b) => a + b, 0),
    differenceMax: Math.max(0, ...differences),
    logRatio: Float32Array.from(offsets.slice(1), (end, b) =>
      sum(
        (i) => Math.min(Math.max(logp[i]! - (input.oldLogp?.[i] ?? logp[i]!), -20), 20),
        rows.slice(offsets[b], end).filter(({ weight }) => weight !== 0),
      ),
    ),
    low: clippedAt(1),
    high: clippedAt(2),
  }
}
