/**
 * Completions of earlier steps that are trained on again, as a method chooses. They keep the advantage they had and the
 * log-probs of the policy that sampled them, so a step that replays any is off-policy.
 */

import type { SavedReplayItem } from '../checkpoint/trainer_state.ts'
import type { Completion, FinishReason, Group, Prompt } from '../core/types.ts'
import type { Stage, Stages } from '../methods/index.ts'
import type { Experience } from './experience.ts'

/** A completion with everything that the update needs to know about it. */
interface Item {
  readonly prompt: Prompt
  readonly completion: Completion
  readonly length: number
  readonly reward: number
  readonly mean: number
  readonly advantages: Float32Array
  readonly oldLogp: Float32Array
  readonly refLogp: Float32Array | null
}

/** What a step learned, with the mean advantage of each completion. */
export interface Learned extends Experience {
  means: Float32Array
}

type Rule = NonNullable<Stages['replay']>

export class ReplayBuffer {
  private items: Item[] = []

  get size(): number {
    return this.items.length
  }

  /**
   * What is trained on in place of `learned`, and how much of it is from earlier steps.
   *
   * @param klCoefs one per group
   */
  replay<T extends Learned>(
    learned: T,
    klCoefs: readonly number[],
    rule: Rule,
    stage: Stage,
  ): { learned: T; klCoefs: number[]; replayed: number } {
    const fresh = itemsOf(learned)
    const kept = this.items
    const chosen = rule.choose(fresh.map(view), kept.map(view), stage)
    const out = assemble(learned, fresh, kept, chosen)
    const groups = learned.groups.length
    const mean = klCoefs.reduce((a, b) => a + b, 0) / Math.max(1, klCoefs.length)
    this.keep(fresh, rule)
    return {
      learned: out.learned,
      klCoefs: out.learned.groups.map((_, g) => klCoefs[out.origins[g]!] ?? mean),
      replayed: out.learned.groups.length === 0 ? 0 : out.origins.filter((origin) => origin >= groups).length,
    }
  }

  private keep(fresh: readonly Item[], { capacity, keeps }: Rule): void {
    const all = [...fresh.filter(({ mean }) => mean !== 0), ...this.items]
    if (keeps === 'largest') all.sort((a, b) => Math.abs(b.mean) - Math.abs(a.mean))
    this.items = all.slice(0, capacity)
  }

  /** For a checkpoint. */
  save(): SavedReplayItem[] {
    return this.items.map(({ prompt, completion, length, reward, mean, advantages, oldLogp, refLogp }) => ({
      ...{ row: prompt.row.id, text: completion.text, finish: completion.finish, length, reward, mean },
      tokens: toBase64(completion.tokens),
      logp: toBase64(completion.logp),
      entropy: toBase64(completion.entropy),
      advantages: toBase64(advantages),
      oldLogp: toBase64(oldLogp),
      refLogp: refLogp && toBase64(refLogp),
    }))
  }

  /** @param promptOf the prompt of a row by its id, null when the data has no such row any more */
  static async load(
    saved: readonly SavedReplayItem[],
    promptOf: (id: string) => Promise<Prompt | null>,
  ): Promise<ReplayBuffer> {
    const buffer = new ReplayBuffer()
    for (const item of saved) {
      const prompt = await promptOf(item.row)
      if (!prompt) continue
      const { text, length, reward, mean } = item
      const [logp, entropy] = [floats(item.logp), floats(item.entropy)]
      const completion = { tokens: ints(item.tokens), logp, entropy, text, finish: item.finish as FinishReason }
      const refLogp = item.refLogp === null ? null : floats(item.refLogp)
      const columns = { advantages: floats(item.advantages), oldLogp: floats(item.oldLogp), refLogp }
      buffer.items.push({ prompt, completion, length, reward, mean, ...columns })
    }
    return buffer
  }
}

const view = ({ mean, reward }: Item) => ({ advantage: mean, reward })

function itemsOf({ groups, lengths, advantages, means, oldLogp, refLogp }: Learned): Item[] {
  let row = 0
  return groups.flatMap(({ prompt, completions, rewards }) =>
    completions.map((completion, i) => {
      const r = row++
      const columns = { advantages: advantages[r]!, oldLogp: oldLogp[r]!, refLogp: refLogp?.[r] ?? null }
      return { prompt, completion, length: lengths[r]!, reward: rewards[i] ?? 0, mean: means[r]!, ...columns }
    }),
  )
}

/** Fresh ones stay in their groups; each kept one is a group of its own. `origins`: index of the group it came from. */
function assemble<T extends Learned>(learned: T, fresh: readonly Item[], kept: readonly Item[], chosen: number[]) {
  const times = new Map<number, number>()
  for (const i of chosen) times.set(i, (times.get(i) ?? 0) + 1)
  const picked: Item[] = []
  const groups: Group[] = []
  const origins: number[] = []
  const add = (group: Group, items: Item[], origin: number) => {
    if (items.length === 0) return
    picked.push(...items)
    origins.push(origin)
    const [completions, rewards] = [items.map((item) => item.completion), items.map((item) => item.reward)]
    groups.push({ ...group, completions, rewards, rewardParts: {} })
  }
  let row = 0
  for (const [g, group] of learned.groups.entries()) {
    const own = group.completions.flatMap(() => {
      const r = row++
      return Array.from({ length: times.get(r) ?? 0 }, () => fresh[r]!)
    })
    add(group, own, g)
  }
  for (const [k, item] of kept.entries())
    for (let n = times.get(fresh.length + k) ?? 0; n > 0; n--)
      add({ prompt: item.prompt, completions: [], rewards: [], rewardParts: {} }, [item], learned.groups.length)
  const withReference = learned.refLogp !== null
  const out: T = {
    ...learned,
    groups,
    lengths: picked.map((item) => item.length),
    advantages: picked.map((item) => item.advantages),
    oldLogp: picked.map((item) => item.oldLogp),
    refLogp: withReference ? picked.map((item) => item.refLogp ?? item.oldLogp) : null,
    means: Float32Array.from(picked, (item) => item.mean),
    importance: null,
    offPolicy: origins.includes(learned.groups.length),
  }
  return { learned: out, origins }
}

const toBase64 = (values: Float32Array | Int32Array) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64')

/** A copy at an aligned place. */
const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text, 'base64')).buffer
const floats = (text: string) => new Float32Array(bytesOf(text))
const ints = (text: string) => new Int32Array(bytesOf(text))
