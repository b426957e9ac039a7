import { describe, expect, test } from 'vitest'
import { composeStages } from '../../src/config/methods.ts'
import { configSchema } from '../../src/config/schema.ts'
import { ComposedStages, findConflict } from '../../src/methods/index.ts'
import { row, scored, stage } from './rows.ts'

describe('several methods', () => {
  const set = new ComposedStages([
    {
      name: 'a',
      stages: {
        curriculum: { limits: () => ({ maxNewTokens: 5, groupSize: 2 }), accepts: (r) => r.columns.a === 1 },
        shapeReward: (groups) => groups.map(({ samples }) => samples.map(() => 1)),
        filterGroups: () => [true, false],
        weigh: () => [2, 3],
      },
    },
    {
      name: 'b',
      stages: {
        curriculum: { limits: () => ({ maxNewTokens: 7, groupSize: undefined }) },
        filterGroups: () => [true, true],
        weigh: () => [5, 1],
      },
    },
  ])
  const groups = [scored(0, 1), scored(1, 1)]
  test('limits of the last, rows of all, groups of all, factors multiplied', () => {
    expect(set.limits(stage())).toEqual({ maxNewTokens: 7, groupSize: 2 })
    expect([set.accepts(row({ a: 1 }), stage()), set.accepts(row(), stage())]).toEqual([true, false])
    expect(set.keeps(groups, stage())).toEqual([true, false])
    expect(set.weights(groups, stage())).toEqual([10, 3])
    expect(set.shape(groups, stage())).toEqual([
      {
        name: 'a',
        values: [
          [1, 1],
          [1, 1],
        ],
      },
    ])
    expect(set.variants(row(), stage())).toEqual([{ tag: '', samples: 8 }])
  })
})

test('two methods that replay cannot go together', () => {
  const replay = { capacity: 1, choose: () => [] }
  const both = [
    { name: 'a', stages: { replay } },
    { name: 'b', stages: { replay } },
  ]
  expect(findConflict(both)).toEqual({ stage: 'replay', names: ['a', 'b'] })
  expect(findConflict(both.slice(1))).toBeNull()
})

describe('the configuration', () => {
  const parse = (methods: unknown) =>
    configSchema.safeParse({
      ...{ run: { dir: 'r' }, model: { path: 'm' }, data: { train: ['t'] }, train: { steps: 1 } },
      methods,
    })
  const message = (methods: unknown) => parse(methods).error?.issues.map((i) => `${i.path.join('.')}: ${i.message}`)
  test('settings over defaults', () => {
    const { data } = parse([{ name: 'accuracy_filter', parameters: { low: 0.3 } }])
    const groups = [scored(0, 0, 0, 1), scored(0, 1)]
    expect(composeStages(data!.methods).keeps(groups, stage())).toEqual([false, true])
  })
  test('wrong settings, repeated and conflicting methods are refused', () => {
    expect(message([{ name: 'accuracy_filter', parameters: { low: 'x' } }])).toEqual([
      'methods.0.parameters.low: number',
    ])
    expect(message([{ name: 'fast_slow' }, { name: 'fast_slow' }])).toEqual(['methods.1.name: each method once'])
    expect(message([{ name: 'sample_replay' }, { name: 'replay_buffer' }])).toEqual([
      'methods: methods that go together',
    ])
  })
})
