/**
 * What a method of the literature is: settings, and functions on the stages of a step. One file per method; the trainer
 * calls the stages and knows no method by name (`methods` in the configuration; docs/methods).
 *
 *   curriculum       which rows, how many completions, how long
 *   augmentRollout   what else the completions of a row are sampled from (other images than the update sees)
 *   continueRollout  which completions are cut, prompted again and continued
 *   shapeReward      rewards that look at a whole group or batch
 *   filterGroups     which groups are trained on
 *   weigh            factors on the advantages of a group
 *   imitate          weights of an auxiliary loss -log p on completions that turned out well
 *   replay           what is trained on in place of groups without advantages
 */
import type { Parameters, Values } from '../core/parameters.ts'
import type { Random } from '../core/random.ts'
import type { FinishReason, Row } from '../core/types.ts'

/** Where the run is. */
export interface Stage {
  /** Steps done. */
  readonly step: number
  readonly steps: number
  /** Training rows visited / rows of an epoch. */
  readonly epoch: number
  /** Longest completion, in tokens. */
  readonly maxNewTokens: number
  readonly groupSize: number
  /** Random numbers of this step; further keys give further streams. */
  random(...keys: number[]): Random
}

/** An image as 8-bit RGB, row by row. */
export interface Pixels {
  readonly rgb: Uint8Array
  readonly width: number
  readonly height: number
}

/** Completions of a row that are sampled alike. */
export interface Variant {
  /** Names them in metrics: `variants/<tag>/reward`. */
  readonly tag: string
  readonly samples: number
  /** What sampling sees instead of an image of the row; the update always sees the row's own. */
  readonly transform?: (image: Pixels, index: number) => Pixels
}

/** A completion as methods see it. */
export interface Sample {
  readonly text: string
  readonly tokens: number
  readonly finish: FinishReason
  /** Tag of the variant it was sampled from. */
  readonly tag: string
  /** It was cut, prompted again and continued. */
  readonly continued: boolean
  readonly reward: number | null
  /** Per reward function. */
  readonly parts: Readonly<Record<string, number | null>>
}

/** The completions of one prompt. */
export interface SampleGroup {
  readonly row: Row
  readonly samples: readonly Sample[]
}

/** Cut completion `sample` of group `group` after `keepCharacters`, add `trigger`, and let the policy go on. */
export interface Continuation {
  readonly group: number
  readonly sample: number
  readonly keepCharacters: number
  readonly trigger: string
}

/** What may be trained on: a completion with its advantage. */
export interface ReplayItem {
  readonly advantage: number
  readonly reward: number
}

export interface Limits {
  readonly maxNewTokens?: number
  readonly groupSize?: number
}

export interface Stages {
  curriculum?: {
    limits?(stage: Stage): Limits
    /** Rows that this stage of the run asks. */
    accepts?(row: Row, stage: Stage): boolean
  }
  augmentRollout?(row: Row, stage: Stage): Variant[]
  continueRollout?: {
    choose(groups: readonly SampleGroup[], stage: Stage): Continuation[]
    /** Whether the continued completion takes the place of the one it came from; `added` = new tokens. */
    accepts(before: Sample, after: Sample, added: number): boolean
  }
  /** One addition per completion, a reward part of the method's name. */
  shapeReward?(groups: readonly SampleGroup[], stage: Stage): number[][]
  /** One flag per group. */
  filterGroups?(groups: readonly SampleGroup[], stage: Stage): boolean[]
  /** One factor per group. */
  weigh?(groups: readonly SampleGroup[], stage: Stage): number[]
  /** One weight per completion, for those of positive advantage; 0 = is not imitated. */
  imitate?(groups: readonly SampleGroup[], stage: Stage): number[][]
  replay?: {
    /** Completions kept from earlier steps. */
    readonly capacity: number
    /** Which are kept when there are more; default the newest. */
    readonly keeps?: 'newest' | 'largest'
    /** Indices into [fresh..., kept...] of what is trained on. */
    choose(fresh: readonly ReplayItem[], kept: readonly ReplayItem[], stage: Stage): number[]
  }
}

export interface Method<P extends Parameters = Parameters> {
  readonly name: string
  /** What it does and which problem it meets. */
  readonly about: string
  /** Where it comes from. */
  readonly source: string
  readonly parameters: P
  create(values: Values<P>): Stages
}

/** Infers the settings of `create` from `parameters`. */
export const defineMethod = <P extends Parameters>(method: Method<P>): Method<P> => method

export const isNumber = (value: number | null | undefined): value is number => value !== null && value !== undefined

/** Mean of what has a value; NaN without any. */
export function meanOf(values: readonly (number | null | undefined)[]): number {
  const numbers = values.filter(isNumber)
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length
}

/** The values of one reward function over a group. */
export const partsOf = ({ samples }: SampleGroup, name: string) => samples.map(({ parts }) => parts[name] ?? null)

/** Indices drawn with probability proportional to `weights`, with replacement; none when all are 0. */
export function drawWeighted(weights: readonly number[], count: number, random: Random): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (!(total > 0)) return []
  return Array.from({ length: count }, () => {
    let left = random.unit() * total
    for (const [i, weight] of weights.entries()) {
      left -= weight
      if (left < 0 && weight > 0) return i
    }
    return weights.findLastIndex((weight) => weight > 0)
  })
}
