/**
 * A policy small enough to write out: the next token depends on the present one only, logits = head embed[token]. It
 * lives in a Qwen2 folder (all other tensors are along for the ride), so that everything around it is the real thing.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { policyLoss } from '../../src/algorithms/index.ts'
import { openCheckpoint, planSave } from '../../src/checkpoint/hf_folder.ts'
import type { SavableModel, SavableOptimizer } from '../../src/checkpoint/run_checkpoint.ts'
import { families, parameterShapes, type RawConfig } from '../../src/models/index.ts'
import type {
  ForwardBackwardOutput,
  Generated,
  GenerateOptions,
  GenerateRequest,
  HeadRows,
  LossInput,
  Pack,
  TensorSink,
  TensorSource,
} from '../../src/native/types.ts'
import type { Policy, PolicyOptimizer } from '../../src/trainer/policy.ts'
import { policyLossSums } from '../native/loss_sums.ts'

export const VOCAB = 12
export const EOS = 0
const WIDTH = 6

export const modelConfig: RawConfig = {
  ...{ model_type: 'qwen2', vocab_size: VOCAB, hidden_size: WIDTH, intermediate_size: 4, num_hidden_layers: 1 },
  ...{ num_attention_heads: 1, num_key_value_heads: 1, rms_norm_eps: 1e-6, rope_theta: 10000 },
  tie_word_embeddings: false,
}
const spec = families.qwen2.readSpec(modelConfig)

export class Bigram implements Policy, SavableModel {
  readonly values = new Map<string, Float32Array>()
  readonly grads = new Map<string, Float32Array>()
  /** Rows of all forward-backward passes so far. */
  trainedRows = 0

  constructor(seed: number) {
    for (const { name, shape } of this.parameters()) {
      const size = shape.reduce((a, b) => a * b, 1)
      this.values.set(
        name,
        Float32Array.from({ length: size }, (_, i) => noise(seed, name.length * 1000 + i) - 0.5),
      )
      this.grads.set(name, new Float32Array(size))
    }
  }

  parameters() {
    return parameterShapes(spec).map((p) => ({ ...p, trainable: true }))
  }

  async generate(requests: GenerateRequest[], options: GenerateOptions): Promise<Generated[]> {
    return requests.flatMap((r, request) =>
      Array.from({ length: r.samples }, (_, sample) => {
        const out = { tokens: [] as number[], logp: [] as number[], entropy: [] as number[] }
        let token = r.tokens.at(-1)!
        while (out.tokens.length < options.maxNewTokens && (out.tokens.length === 0 || token !== EOS)) {
          const { logp, entropy } = this.distribution(token, options.temperature || 1)
          let u = options.temperature === 0 ? -1 : noise(options.seed, (r.stream + sample) * 1000 + out.tokens.length)
          token = options.temperature === 0 ? logp.indexOf(Math.max(...logp)) : VOCAB - 1
          for (let k = 0; u >= 0 && k < VOCAB; k++) {
            u -= Math.exp(logp[k]!)
            if (u < 0) token = k
          }
          out.tokens.push(token)
          out.logp.push(logp[token]!)
          out.entropy.push(entropy)
        }
        const finish = token === EOS ? ('eos' as const) : ('length' as const)
        const columns = { logp: Float32Array.from(out.logp), entropy: Float32Array.from(out.entropy) }
        return { request, sample, tokens: Int32Array.from(out.tokens), ...columns, finish }
      }),
    )
  }

  async score(pack: Pack, head: HeadRows) {
    const rows = Array.from(head.rows, (row) => this.distribution(pack.tokens[row]!, head.temperature))
    return {
      logp: Float32Array.from(rows, ({ logp }, i) => logp[head.targets[i]!]!),
      entropy: Float32Array.from(rows, ({ entropy }) => entropy),
    }
  }

  async forwardBackward(pack: Pack, head: HeadRows, loss: LossInput): Promise<ForwardBackwardOutput> {
    const scores = await this.score(pack, head)
    if (!('policy' in loss || 'dlogp' in loss)) throw new Error('a bigram has no values')
    const dlogp = 'policy' in loss ? policyLoss(scores.logp, loss.policy).dlogp : loss.dlogp
    const [embed, gradEmbed] = this.pair('decoder.embed.weight')
    const [out, gradOut] = this.pair('decoder.head.weight')
    for (const [i, row] of head.rows.entries()) {
      const from = pack.tokens[row]!
      const { logp } = this.distribution(from, head.temperature)
      for (let k = 0; k < VOCAB; k++) {
        const delta = (dlogp[i]! * ((k === head.targets[i] ? 1 : 0) - Math.exp(logp[k]!))) / head.temperature
        for (let c = 0; c < WIDTH; c++) {
          gradEmbed[from * WIDTH + c]! += delta * out[k * WIDTH + c]!
          gradOut[k * WIDTH + c]! += delta * embed[from * WIDTH + c]!
        }
      }
    }
    this.trainedRows += head.rows.length
    return { ...scores, policy: 'policy' in loss ? policyLossSums(scores, loss.policy) : null }
  }

  async zeroGrad() {
    for (const grad of this.grads.values()) grad.fill(0)
  }

  async save(file: string, header: Uint8Array, sinks: TensorSink[]) {
    const parts = sinks.map(({ name }) => Buffer.from(this.values.get(name)!.slice().buffer))
    writeFileSync(file, Buffer.concat([header, ...parts]))
  }

  async load(sources: TensorSource[]) {
    for (const source of sources) this.values.set(source.name, readValues(source))
  }

  private pair(name: string) {
    return [this.values.get(name)!, this.grads.get(name)!] as const
  }

  private distribution(token: number, temperature: number): { logp: number[]; entropy: number } {
    const embed = this.values.get('decoder.embed.weight')!
    const out = this.values.get('decoder.head.weight')!
    const logits = Array.from({ length: VOCAB }, (_, k) => {
      let sum = 0
      for (let c = 0; c < WIDTH; c++) sum += out[k * WIDTH + c]! * embed[token * WIDTH + c]!
      return sum / temperature
    })
    const top = Math.max(...logits)
    const log = top + Math.log(logits.reduce((sum, l) => sum + Math.exp(l - top), 0))
    const logp = logits.map((l) => l - log)
    return { logp, entropy: -logp.reduce((sum, l) => sum + Math.exp(l) * l, 0) }
  }
}

/** Momentum descent, so that a resumed run shows whether its state came back. */
export class Momentum implements PolicyOptimizer, SavableOptimizer {
  steps = 0
  private readonly m = new Map<string, Float32Array>()

  constructor(private readonly model: Bigram) {
    for (const [name, grad] of model.grads) this.m.set(name, new Float32Array(grad.length))
  }

  async step({ lr, maxGradNorm }: { lr: number; maxGradNorm: number }) {
    const grads = [...this.model.grads.values()]
    const gradNorm = Math.sqrt(grads.reduce((sum, g) => sum + g.reduce((s, v) => s + v * v, 0), 0))
    const skipped = !Number.isFinite(gradNorm)
    const scale = maxGradNorm > 0 && gradNorm > maxGradNorm ? maxGradNorm / gradNorm : 1
    if (!skipped) {
      this.steps++
      for (const [name, grad] of this.model.grads) {
        const [m, value] = [this.m.get(name)!, this.model.values.get(name)!]
        for (let i = 0; i < grad.length; i++) {
          m[i] = 0.9 * m[i]! + scale * grad[i]!
          value[i]! -= lr * m[i]!
        }
      }
    }
    await this.model.zeroGrad()
    return { gradNorm, skipped }
  }

  states() {
    const trained = this.model.parameters().filter(({ trainable }) => trainable)
    return trained.map(({ name, shape }) => ({ name: `m.${name}`, shape, dtype: 'F32' as const }))
  }

  async save(file: string, header: Uint8Array, sinks: TensorSink[]) {
    const parts = sinks.map(({ name }) => Buffer.from(this.m.get(name.slice(2))!.slice().buffer))
    writeFileSync(file, Buffer.concat([header, ...parts]))
  }

  async load(sources: TensorSource[], steps: number) {
    this.steps = steps
    for (const source of sources) this.m.set(source.name.slice(2), readValues(source))
  }
}

/** Writes the model folder that a run starts from. */
export async function writeModelFolder(dir: string): Promise<void> {
  mkdirSync(dir, { recursive: true })
  const plan = planSave({ family: families.qwen2, config: modelConfig, spec }, 'F32')
  writeFileSync(join(dir, 'config.json'), plan.configText)
  await new Bigram(1).save(join(dir, 'model.safetensors'), plan.header, plan.sinks)
  await openCheckpoint(dir)
}

function readValues({ file, offset, shape }: TensorSource): Float32Array {
  const size = 4 * shape.reduce((a, b) => a * b, 1)
  return new Float32Array(Uint8Array.from(readFileSync(file).subarray(offset, offset + size)).buffer)
}

/** A number in [0, 1) from a seed and a counter. */
export function noise(seed: number, counter: number): number {
  let x = (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(counter + 1, 0x85ebca6b)) >>> 0
  for (const shift of [15, 13, 16]) x = Math.imul(x ^ (x >>> shift), 0x2c1b3c6d) >>> 0
  return x / 2 ** 32
}
