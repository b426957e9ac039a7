/**
 * The heads of reward models, as checkpoints of the Qwen2 family have them. All give one number z per hidden state h:
 *
 *   score.weight (1, C), score.bias?     z = W h + b                          AutoModelForSequenceClassification, TRL
 *   score.weight (2, C), score.bias?     z = (W_1 - W_0) h + b_1 - b_0        two labels: softmax_1 = sigmoid(z)
 *   score.0.*, score.2.*                 z = the same of relu(W h + b)        Qwen2ForProcessRewardModel (Qwen2.5-Math-PRM)
 *   v_head.summary.*                     z = W h + b                          AutoModelForCausalLMWithValueHead
 */

import { readSafetensors, readTensor } from '../checkpoint/safetensors.ts'
import { readWeightTensors, type WeightTensor } from '../checkpoint/shards.ts'
import { InputError } from '../core/errors.ts'

export interface RewardHead {
  /** relu(W h + b) first; `weight` (width, C). */
  readonly inner: { readonly weight: Float32Array; readonly bias: Float32Array } | null
  /** (C), or (width) behind an inner layer. */
  readonly weight: Float32Array
  readonly bias: number
  /** With two labels z is the log-odds of the second; with one it is whatever the model was trained to say. */
  readonly labels: 1 | 2
}

/** Whether the folder has a head of its own beside the decoder. */
export const isHeadTensor = (name: string) => /^(score|v_head)\./.test(name)

/**
 * @param width of the hidden states
 * @throws InputError when the folder has no head that is known here, or one of another shape.
 */
export async function readHead(dir: string, width: number): Promise<RewardHead> {
  const tensors = new Map([...(await readWeightTensors(dir))].filter(([name]) => isHeadTensor(name)))
  const named = (name: string) => tensors.get(name) ?? null
  const inner = named('score.0.weight')
  const outer = inner ? 'score.2' : named('v_head.summary.weight') ? 'v_head.summary' : 'score'
  const weight = named(`${outer}.weight`)
  if (!weight)
    throw new InputError(dir, 'a reward head: score.weight, score.0 and score.2, or v_head.summary', [
      ...tensors.keys(),
    ])
  const hidden = inner ? await matrix(inner, width) : null
  const last = await matrix(weight, hidden?.rows ?? width)
  const labels = last.rows
  if (labels !== 1 && labels !== 2) throw new InputError(`${dir} ${weight.name}`, '1 or 2 labels', labels)
  const bias = named(`${outer}.bias`)
  const offsets = bias ? (await matrix(bias, 1)).values : new Float32Array(labels)
  const innerBias = named('score.0.bias')
  return {
    inner: hidden && {
      weight: hidden.values,
      bias: innerBias ? (await matrix(innerBias, 1)).values : new Float32Array(hidden.rows),
    },
    weight: labels === 1 ? last.values : difference(last.values, last.values.length / 2),
    bias: labels === 1 ? offsets[0]! : offsets[1]! - offsets[0]!,
    labels,
  }
}

async function matrix(tensor: WeightTensor, columns: number): Promise<{ rows: number; values: Float32Array }> {
  const { data, shape } = await readTensor(await readSafetensors(tensor.file), tensor.name)
  if (!(data instanceof Float32Array))
    throw new InputError(`${tensor.file} ${tensor.name}`, 'floats of 16 or 32 bits', tensor.dtype)
  if (shape.length > 1 ? shape[1] !== columns : columns !== 1)
    throw new InputError(
      `${tensor.file} ${tensor.name}`,
      `rows of ${columns}`,
      shape,
      'config.json and weights disagree',
    )
  return { rows: shape[0]!, values: data }
}

/** The second label's row less the first one's. */
function difference(rows: Float32Array, width: number): Float32Array {
  return rows.slice(width).map((w, c) => w - rows[c]!)
}

/** (N) numbers z of hidden states (N, C); sums in double precision. */
export function headOutputs(hidden: Float32Array, width: number, head: RewardHead): Float64Array {
  const { inner, weight, bias } = head
  return Float64Array.from({ length: hidden.length / width }, (_, n) => {
    const h = hidden.subarray(n * width, (n + 1) * width)
    if (!inner) return dot(weight, h, 0) + bias
    let z = bias
    for (const [k, w] of weight.entries()) z += w * Math.max(0, dot(inner.weight, h, k * width) + inner.bias[k]!)
    return z
  })
}

/** Of x with as many values of `row` from `begin` on; four sums, because each waits for itself. */
function dot(row: Float32Array, x: Float32Array, begin: number): number {
  let [a, b, c, d] = [0, 0, 0, 0]
  const whole = x.length - (x.length % 4)
  for (let i = 0; i < whole; i += 4) {
    a += row[begin + i]! * x[i]!
    b += row[begin + i + 1]! * x[i + 1]!
    c += row[begin + i + 2]! * x[i + 2]!
    d += row[begin + i + 3]! * x[i + 3]!
  }
  for (let i = whole; i < x.length; i++) a += row[begin + i]! * x[i]!
  return a + b + (c + d)
}
