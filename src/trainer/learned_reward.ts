/**
 * A reward that is a model: a Hugging Face folder, scored by this engine, all completions of a step in a few packs.
 *
 *   kind           reads                                             at                 gives
 *   score          the conversation                                  its last token     head (see learned_head.ts)
 *   steps          the conversation, a step token behind each step   each step token    head: P(step is right)
 *   verdict        a question about the completion, by a template    its last token     P(good) / (P(good) + P(bad)) of two words
 *   step-verdict   as steps                                          each step token    the same of two words (Math-Shepherd)
 *
 * Kinds of steps give a reward for each step and one for the whole; a completion that the model cannot read (too long for
 * it) scores nothing and is counted, like any reward that fails.
 */

import { openConfig } from '../checkpoint/hf_folder.ts'
import { InputError } from '../core/errors.ts'
import type { Prompt, Row } from '../core/types.ts'
import type { Model } from '../native/model.ts'
import type { RewardInput, StepScores } from '../rewards/define.ts'
import { type MicroBatch, packGroups } from '../rollout/pack.ts'
import { Scores } from '../rollout/reward_scores.ts'
import type { LearnedRewardOptions, RewardScorer } from '../rollout/reward_spec.ts'
import { headOutputs, type RewardHead, readHead } from './learned_head.ts'
import { conversationRow, questionRow, singleToken, splitSteps } from './learned_text.ts'
import { type OpenModel, type OpenModelOptions, openModel } from './open_model.ts'

export type LearnedKind = Exclude<NonNullable<LearnedRewardOptions['kind']>, 'auto'>

/** The kind that a folder's config.json speaks of. */
export function kindOf(kind: LearnedRewardOptions['kind'], config: Readonly<Record<string, unknown>>): LearnedKind {
  if (kind !== undefined && kind !== 'auto') return kind
  const names = Array.isArray(config.architectures) ? config.architectures.map(String) : []
  if (names.some((name) => name.endsWith('ForProcessRewardModel'))) return 'steps'
  return names.some((name) => name.endsWith('ForSequenceClassification')) ? 'score' : 'verdict'
}

export const usesHead = (kind: LearnedKind) => kind === 'score' || kind === 'steps'

export const defaultTemplate =
  'Question: {question}\nReference answer: {answer}\nReply: {completion}\nIs the reply right? Answer Yes or No.'

/** What is read for one completion: the text as a prompt, and its tokens that are asked. */
interface Reading {
  readonly prompt: Prompt
  readonly places: readonly number[]
  /** Ends of the steps that the places judge; empty when the one place judges the whole. */
  readonly ends: readonly number[]
}

/** @throws InputError for a bad folder, a head of another shape, or words that are several tokens. */
export async function openLearnedReward(
  options: LearnedRewardOptions,
  settings: OpenModelOptions & { tokensPerPass: number },
  where: string,
): Promise<RewardScorer> {
  const { config } = await openConfig(options.path)
  const kind = kindOf(options.kind, config)
  const opened = await openModel(options.path, { ...settings, lora: null, languageHead: !usesHead(kind) })
  try {
    const head = usesHead(kind) ? await readHead(options.path, opened.model.spec.decoder.hidden) : null
    return new LearnedReward(options, kind, opened, head, settings.tokensPerPass, where)
  } catch (error) {
    opened.dispose()
    throw error
  }
}

class LearnedReward implements RewardScorer {
  readonly name = 'learned'
  private readonly stepToken: number | null
  private readonly words: readonly [number, number] | null

  constructor(
    private readonly options: LearnedRewardOptions,
    private readonly kind: LearnedKind,
    private readonly opened: OpenModel,
    private readonly head: RewardHead | null,
    private readonly tokensPerPass: number,
    where: string,
  ) {
    const encode = (text: string) => opened.tokenizer.encode(text)
    const [good, bad] = options.words ?? (kind === 'verdict' ? ['Yes', 'No'] : ['+', '-'])
    const steps = kind === 'steps' || kind === 'step-verdict'
    this.stepToken = steps ? singleToken(this.step, encode, `${where}.stepToken`) : null
    this.words = head
      ? null
      : [singleToken(good!, encode, `${where}.words`), singleToken(bad!, encode, `${where}.words`)]
  }

  private get step(): string {
    return this.options.stepToken ?? (this.kind === 'steps' ? '<extra_0>' : 'ки')
  }

  dispose(): void {
    this.opened.dispose()
  }

  async score(inputs: readonly RewardInput[], signal?: AbortSignal, rows?: readonly Row[]): Promise<Scores> {
    const scores = new Scores(inputs.length)
    const readings: Reading[] = []
    const owners: number[] = []
    for (const [i, input] of inputs.entries()) {
      try {
        const reading = await this.read(input, rows?.[i] ?? null)
        if (reading.places.length === 0) scores.value(i, { steps: [], score: 0 })
        else {
          readings.push(reading)
          owners.push(i)
        }
      } catch (error) {
        if (!(error instanceof InputError)) throw error
        scores.error(i, error.message)
      }
    }
    const values = await this.evaluate(readings, signal)
    for (const [k, own] of values.entries()) scores.value(owners[k]!, this.verdictOf(readings[k]!, own))
    return scores
  }

  private async read(input: RewardInput, row: Row | null): Promise<Reading> {
    const { opened, options, kind, stepToken } = this
    const reading = { system: options.system ?? null, sees: opened.model.spec.vision !== null }
    if (kind === 'verdict') {
      const asked = questionRow(input, row, options.template ?? defaultTemplate, reading)
      const prompt = await opened.toPrompt(asked)
      return { prompt, places: [prompt.tokens.length - 1], ends: [] }
    }
    if (stepToken === null) {
      const prompt = await opened.toConversation(conversationRow(input, row, input.completion, reading))
      return { prompt, places: [prompt.tokens.length - 1], ends: [] }
    }
    // A policy that writes the token itself would be asked where it likes.
    const clean = input.completion.replaceAll(this.step, ' '.repeat(this.step.length))
    const steps = splitSteps(clean, options.separator ?? '\n\n')
    const joint = kind === 'steps' ? this.step : ` ${this.step}\n`
    const reply = steps.map(({ text }) => text + joint).join('')
    const prompt = await opened.toConversation(conversationRow(input, row, reply, reading))
    const marked = [...prompt.tokens.entries()].flatMap(([at, token]) => (token === stepToken ? [at] : []))
    if (marked.length < steps.length)
      throw new InputError(input.id, `${steps.length} step tokens behind its steps`, marked.length)
    const places = steps.length === 0 ? [] : marked.slice(-steps.length)
    return { prompt, places, ends: steps.map(({ end }) => end) }
  }

  /** Per reading, z at each of its places. */
  private async evaluate(readings: readonly Reading[], signal?: AbortSignal): Promise<Float64Array[]> {
    const { model, merge } = this.opened
    const out = new Array<Float64Array>(readings.length)
    // A completion of one token makes the head row of a group the last row of its prompt.
    const groups = readings.map(({ prompt }) => ({ prompt, completions: [Int32Array.of(0)] }))
    for (const batch of packGroups(groups, { tokenBudget: this.tokensPerPass, temperature: 1, merge })) {
      const rows = batch.completions.flatMap(({ group, begin }) => {
        const { prompt, places } = readings[group]!
        const first = batch.head.rows[begin]! - (prompt.tokens.length - 1)
        return places.map((at) => first + at)
      })
      const z = await this.outputs(model, batch, Int32Array.from(rows), signal)
      let at = 0
      for (const { group } of batch.completions) {
        const count = readings[group]!.places.length
        out[group] = z.slice(at, at + count)
        at += count
      }
    }
    return out
  }

  /** (N) z of rows: what the head says, or the log-odds of the two words. */
  private async outputs(model: Model, { pack }: MicroBatch, rows: Int32Array, signal?: AbortSignal) {
    const { head, words } = this
    if (head) return headOutputs(await model.hidden(pack, rows, { signal }), model.spec.decoder.hidden, head)
    const both = Int32Array.from([...rows, ...rows])
    const targets = Int32Array.from(both, (_, k) => words![k < rows.length ? 0 : 1])
    const { logp } = await model.score(pack, { rows: both, targets, temperature: 1 }, { signal })
    return Float64Array.from(rows, (_, n) => logp[n]! - logp[rows.length + n]!)
  }

  private verdictOf({ ends }: Reading, z: Float64Array): number | StepScores {
    const values = Array.from(z, (one) => this.valueOf(one))
    if (ends.length === 0) return values[0]!
    const steps = ends.map((end, k) => ({ end, reward: values[k]! }))
    return { steps, score: whole(values, this.options.over ?? 'min') }
  }

  private valueOf(z: number): number {
    const { output = 'auto' } = this.options
    const isRaw = output === 'logit' || (output === 'auto' && this.kind === 'score' && this.head?.labels === 1)
    if (isRaw) return z
    if (output === 'log-probability') return z < 0 ? z - Math.log1p(Math.exp(z)) : -Math.log1p(Math.exp(-z))
    return 1 / (1 + Math.exp(-z))
  }
}

function whole(values: readonly number[], over: NonNullable<LearnedRewardOptions['over']>): number {
  if (over === 'last') return values.at(-1)!
  if (over === 'mean') return values.reduce((sum, value) => sum + value, 0) / values.length
  if (over === 'product') return values.reduce((product, value) => product * value, 1)
  return values.reduce((least, value) => Math.min(least, value))
}
