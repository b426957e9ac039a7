/**
 * The methods of a run as one set of stages. Where several have something to say: limits of the last one that gives any;
 * rows and groups that all accept; additions to the reward side by side; factors multiplied; weights
 * of imitation added. Only one method can change
 * what is sampled, continue completions, or replay.
 */
import type { Row } from '../core/types.ts'
import type { Limits, SampleGroup, Stage, Stages, Variant } from './define.ts'

export interface NamedStages {
  readonly name: string
  readonly stages: Stages
}

/** Stages of which a run can have one only. */
const alone = ['augmentRollout', 'continueRollout', 'replay'] as const

/** Names of two methods that cannot be used together, and the stage that both want; null when all can. */
export function findConflict(methods: readonly NamedStages[]): { stage: string; names: [string, string] } | null {
  for (const stage of alone) {
    const [first, second] = methods.filter(({ stages }) => stages[stage])
    if (first && second) return { stage, names: [first.name, second.name] }
  }
  return null
}

export class ComposedStages {
  private readonly list: readonly NamedStages[]

  /** @param list methods without a conflict, in order */
  constructor(list: readonly NamedStages[]) {
    this.list = list
  }

  limits(stage: Stage): Limits {
    const given = this.list.map(({ stages }) => stages.curriculum?.limits?.(stage) ?? {})
    return Object.assign({}, ...given.map(withoutAbsent)) as Limits
  }

  /** Whether any method chooses among rows. */
  get choosesRows(): boolean {
    return this.list.some(({ stages }) => stages.curriculum?.accepts)
  }

  accepts(row: Row, stage: Stage): boolean {
    return this.list.every(({ stages }) => stages.curriculum?.accepts?.(row, stage) ?? true)
  }

  /** How the completions of a row are sampled; all alike without a method that says otherwise. */
  variants(row: Row, stage: Stage): Variant[] {
    const method = this.list.find(({ stages }) => stages.augmentRollout)
    return method?.stages.augmentRollout?.(row, stage) ?? [{ tag: '', samples: stage.groupSize }]
  }

  get continuation(): Stages['continueRollout'] {
    return this.list.find(({ stages }) => stages.continueRollout)?.stages.continueRollout
  }

  get replay(): Stages['replay'] {
    return this.list.find(({ stages }) => stages.replay)?.stages.replay
  }

  /** Additions to the rewards, by method: one number per completion of each group. */
  shape(groups: readonly SampleGroup[], stage: Stage): { name: string; values: number[][] }[] {
    return this.list.flatMap(({ name, stages }) => {
      const values = stages.shapeReward?.(groups, stage)
      return values ? [{ name, values }] : []
    })
  }

  /** Which groups are trained on. */
  keeps(groups: readonly SampleGroup[], stage: Stage): boolean[] {
    const flags = this.list.flatMap(({ stages }) => {
      const own = stages.filterGroups?.(groups, stage)
      return own ? [own] : []
    })
    return groups.map((_, g) => flags.every((own) => own[g]))
  }

  /** Factors on the advantages, one per group. */
  weights(groups: readonly SampleGroup[], stage: Stage): number[] {
    const factors = this.list.flatMap(({ stages }) => {
      const own = stages.weigh?.(groups, stage)
      return own ? [own] : []
    })
    return groups.map((_, g) => factors.reduce((product, own) => product * own[g]!, 1))
  }

  /** Weights of imitation, one per completion of each group; null when no method imitates. */
  imitation(groups: readonly SampleGroup[], stage: Stage): number[][] | null {
    const given = this.list.flatMap(({ stages }) => {
      const own = stages.imitate?.(groups, stage)
      return own ? [own] : []
    })
    if (given.length === 0) return null
    return groups.map(({ samples }, g) => samples.map((_, i) => given.reduce((sum, own) => sum + own[g]![i]!, 0)))
  }
}

const withoutAbsent = (limits: Limits) =>
  Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
