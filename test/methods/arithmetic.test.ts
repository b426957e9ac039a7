/** The formulas of the methods on numbers worked out by hand. */
import { describe, expect, test } from 'vitest'
import { policyLoss } from '../../src/algorithms/index.ts'
import { defaultsOf } from '../../src/core/parameters.ts'
import { createRandom } from '../../src/core/random.ts'
import { adoraWeight } from '../../src/methods/accuracy_filter.ts'
import { consistencyScore, consistencyWeights, reasoningOf } from '../../src/methods/consistency.ts'
import { stageOf } from '../../src/methods/curriculum_stages.ts'
import { drawWeighted } from '../../src/methods/define.ts'
import { accuracyWindow } from '../../src/methods/difficulty_sampling.ts'
import { hardGroups, lengthScores, percentile, relativeRanks } from '../../src/methods/fast_slow.ts'
import { countWaits, cutPlace, pickTrigger, triggers } from '../../src/methods/forced_rethinking.ts'
import { blackout, blur, jitterColour, rotate } from '../../src/methods/image_augmentation.ts'
import { methods } from '../../src/methods/index.ts'
import { diffuse, noiseDecay, signalLeft } from '../../src/methods/noisy_rollout.ts'
import { bestSample } from '../../src/methods/self_improvement.ts'
import { lengthBonus, temporalBonus } from '../../src/methods/temporal_contrast.ts'
import { isWorthTraining, type Solver, searchDifficulty, upperBound } from '../../src/methods/tree_search.ts'
import { group, row, sample, scored, stage } from './rows.ts'

const image = (width: number, height: number, value = 128) => ({
  ...{ width, height },
  rgb: new Uint8Array(width * height * 3).fill(value),
})

describe('noisy rollout', () => {
  test('decays', () => {
    expect(noiseDecay('sigmoid', 40, 100, 30, 40)).toBeCloseTo(0.5, 12)
    expect(noiseDecay('sigmoid', 0, 100, 30, 40)).toBeCloseTo(1 - 1 / (1 + Math.exp(12)), 12)
    expect(noiseDecay('linear', 25, 100, 0, 0)).toBe(0.75)
    expect(noiseDecay('power', 50, 100, 3, 0)).toBe(0.875)
    expect(noiseDecay('exponential', 98, 100, 0.5, 0)).toBe(0.75)
  })
  test('the share of the signal falls from nearly 1 with the level', () => {
    const first = (1 / (1 + Math.exp(6))) * (0.5e-2 - 1e-5) + 1e-5
    expect(signalLeft(0)).toBeCloseTo(1 - first, 15)
    expect(signalLeft(500)).toBeGreaterThan(signalLeft(999))
    expect(signalLeft(999)).toBeLessThan(0.2)
  })
  test('noise has the deviation of its level and keeps the mean', () => {
    const { rgb: data } = diffuse(image(64, 64), 200, createRandom(1))
    const mean = data.reduce((a, b) => a + b, 0) / data.length / 255
    const std = Math.sqrt(data.reduce((a, v) => a + (v / 255 - mean) ** 2, 0) / data.length)
    const alpha = signalLeft(200)
    expect(mean).toBeCloseTo((Math.sqrt(alpha) * 128) / 255, 2)
    expect(std).toBeCloseTo(Math.sqrt(1 - alpha), 2)
  })
  test('half of a group sees noise while there is some, rows without images never', () => {
    const method = methods.noisy_rollout
    const { augmentRollout } = method.create(defaultsOf(method.parameters))
    const variants = augmentRollout!(row({}, 1), stage())
    expect(variants.map(({ tag, samples }) => [tag, samples])).toEqual([
      ['clean', 4],
      ['noisy', 4],
    ])
    expect(variants[1]!.transform!(image(4, 4), 0)).toEqual(variants[1]!.transform!(image(4, 4), 0))
    expect(augmentRollout!(row(), stage())).toEqual([{ tag: 'clean', samples: 8 }])
    expect(augmentRollout!(row({}, 1), stage({ step: 100 }))).toEqual([{ tag: 'clean', samples: 8 }])
  })
})

describe('image augmentation', () => {
  test('a turn of 90 degrees moves pixels, four turns bring them back', () => {
    const picture = { width: 3, height: 3, rgb: Uint8Array.from({ length: 27 }, (_, i) => i * 9) }
    let turned = rotate(picture, 90)
    // top left comes to the right or left edge
    expect(turned.rgb.slice(0, 3)).toEqual(picture.rgb.slice(18, 21))
    for (let k = 0; k < 3; k++) turned = rotate(turned, 90)
    expect(turned.rgb).toEqual(picture.rgb)
  })
  test('a blackout covers its share', () => {
    const { rgb: data } = blackout(image(10, 10), 0.5, createRandom(3))
    expect(data.filter((value) => value === 0)).toHaveLength(25 * 3)
  })
  test('grey stays grey under colour jitter; blur keeps a flat image and spreads a point', () => {
    const grey = jitterColour(image(2, 2), 0.3, createRandom(5)).rgb
    expect(new Set(grey).size).toBe(1)
    expect(blur(image(5, 5), 1).rgb).toEqual(image(5, 5).rgb)
    const point = image(5, 5, 0)
    point.rgb.fill(255, 36, 39)
    const spread = blur(point, 1).rgb
    expect(spread[36]!).toBeLessThan(60)
    expect(spread[33]!).toBe(spread[39]!)
  })
})

describe('replay', () => {
  test('draws follow the weights', () => {
    const counts = [0, 0, 0, 0]
    for (const i of drawWeighted([1, 0, 2, 5], 8000, createRandom(11))) counts[i]!++
    // chi-squared with 2 degrees of freedom, 99.9 %: 13.8
    const chi = [1, 2, 5].reduce((sum, w, k) => sum + (counts[[0, 2, 3][k]!]! - 1000 * w) ** 2 / (1000 * w), 0)
    expect(chi).toBeLessThan(13.8)
    expect(counts[1]).toBe(0)
    expect(drawWeighted([0, 0], 3, createRandom(1))).toEqual([])
  })
  const item = (advantage: number) => ({ advantage, reward: 0 })
  test('sample replay keeps what has an advantage and fills up with it', () => {
    const { replay } = methods.sample_replay.create({ alpha: 1, capacity: 8 })
    const chosen = replay!.choose([item(0), item(0.5), item(0)], [item(2)], stage())
    expect(chosen).toHaveLength(3)
    expect(chosen[0]).toBe(1)
    expect(chosen.every((i) => i === 1 || i === 3)).toBe(true)
  })
  test('without a buffer and without advantages nothing is left', () => {
    const { replay } = methods.sample_replay.create({ alpha: 1, capacity: 8 })
    expect(replay!.choose([item(0), item(0)], [], stage())).toEqual([])
  })
  test('the replay buffer puts kept completions in the place of empty ones', () => {
    const { replay } = methods.replay_buffer.create({ capacity: 4 })
    expect(replay!.choose([item(1), item(0)], [item(0), item(3)], stage())).toEqual([0, 3])
  })
})

describe('forced rethinking', () => {
  test('cuts before the last turning point', () => {
    expect(cutPlace('a\nb \\boxed{1}')).toBe(4)
    expect(cutPlace('no mark')).toBe(7)
    expect(countWaits('Wait, wait. await')).toBe(3)
  })
  test('triggers follow the answer', () => {
    const picked = (right: boolean) =>
      new Set(Array.from({ length: 60 }, (_, k) => pickTrigger(right, createRandom(1, k))))
    expect(picked(true)).toEqual(new Set([triggers[0], triggers[1], triggers[2]]))
    expect(picked(false)).toEqual(new Set([triggers[0], triggers[1], triggers[3]]))
  })
  test('only finished completions with room are continued, at most so many per group', () => {
    const method = methods.forced_rethinking
    const { continueRollout } = method.create({ ...defaultsOf(method.parameters), share: 1 })
    const samples = [sample({ finish: 'length' }), sample({ tokens: 1500 }), sample(), sample(), sample()]
    const chosen = continueRollout!.choose([group(samples)], stage())
    expect(chosen.map((c) => c.sample)).toEqual([2, 3])
    const right = sample({ accuracy: 1 })
    expect(continueRollout!.accepts(sample(), right, 31)).toBe(true)
    expect(continueRollout!.accepts(sample(), right, 30)).toBe(false)
    expect(continueRollout!.accepts(sample(), right, 1024)).toBe(false)
    expect(continueRollout!.accepts(sample(), sample(), 31)).toBe(false)
    expect(continueRollout!.accepts(sample(), sample({ accuracy: 1, text: 'wait '.repeat(5) }), 31)).toBe(false)
  })
})

describe('fast-slow', () => {
  test('ranks share ties; percentiles are linear', () => {
    expect(relativeRanks([3, 1, 3, 7])).toEqual([0.5, 0, 0.5, 1])
    expect(relativeRanks([2, 2])).toEqual([0.5, 0.5])
    expect(percentile([1, 2, 3, 4, 5], 0.8)).toBeCloseTo(4.2, 12)
  })
  test('hard is a low pass rate on a complex image', () => {
    expect(hardGroups([0.5, 0.5, 0, 1, 1], [1, 2, 5, 4, 3])).toEqual([false, false, true, false, false])
  })
  test('length scores', () => {
    const easy = group([sample({ accuracy: 1, text: 'xx' }), sample({ accuracy: 0, text: 'xxxx' })])
    const hard = group([sample({ accuracy: 0, text: 'x'.repeat(9) }), sample({ accuracy: 1, text: 'x' })])
    // mean length 4; one right answer to an easy question, a budget of ceil(0.8)
    expect(lengthScores([easy, hard], [false, true], 'accuracy')).toEqual([
      [0.5, 0],
      [1, 0],
    ])
  })
  test('the filter moves from middling to hard questions', () => {
    const method = methods.fast_slow
    const { filterGroups } = method.create(defaultsOf(method.parameters))
    const groups = [scored(0, 0, 0, 1), scored(1, 1, 1, 0), scored(1, 1), scored(0, 0)]
    expect(filterGroups!(groups, stage())).toEqual([false, true, false, false])
    expect(filterGroups!(groups, stage({ step: 50 }))).toEqual([true, false, false, false])
  })
})

describe('temporal contrast', () => {
  const of = (tag: string, accuracy: number, tokens = 400) => sample({ tag, accuracy, tokens })
  test('ordered frames must be at least 0.8 as good as shuffled ones', () => {
    const good = [of('ordered', 1), of('ordered', 0), of('shuffled', 0.5)]
    expect(temporalBonus(good, 'accuracy', 0.8, 0.3)).toEqual([0.3, 0, 0])
    expect(temporalBonus([of('ordered', 0.2), of('shuffled', 1)], 'accuracy', 0.8, 0.3)).toEqual([0, 0])
  })
  test('length counts when more than one is right', () => {
    const samples = [of('ordered', 1, 320), of('ordered', 1, 512), of('ordered', 1, 513), of('shuffled', 1)]
    expect(lengthBonus(samples, 'accuracy', 320, 512, 0.2)).toEqual([0.2, 0.2, 0, 0])
    expect(lengthBonus([of('ordered', 1), of('ordered', 0)], 'accuracy', 320, 512, 0.2)).toEqual([0, 0])
  })
})

test('accuracy filter, both ends included; ADORA weighs down what grew by being wrong', () => {
  const { filterGroups } = methods.accuracy_filter.create({
    ...defaultsOf(methods.accuracy_filter.parameters),
    ...{ low: 0.25, high: 0.75, after: 3 },
  })
  const groups = [scored(0, 0, 0, 1), scored(1, 1, 1, 1), scored(0, 0, 0, 0)]
  expect(filterGroups!(groups, stage({ step: 3 }))).toEqual([true, false, false])
  expect(filterGroups!(groups, stage({ step: 2 }))).toEqual([true, true, true])
  const grown = group([sample({ accuracy: 1, tokens: 9 }), sample({ tokens: 10 })])
  expect(adoraWeight(grown, 'accuracy', 0.1)).toBe(0.1)
  expect(adoraWeight(group([sample({ accuracy: 1, tokens: 11 }), sample({ tokens: 10 })]), 'accuracy', 0.1)).toBe(1)
})

test('stages of a curriculum', () => {
  expect([0, 24, 25, 49, 50, 99].map((step) => stageOf(step, 100, [1, 1, 2]))).toEqual([0, 0, 1, 1, 2, 2])
  const { curriculum } = methods.curriculum_stages.create({
    column: 'type',
    stages: ['judge', 'choice+open'],
    shares: [],
  })
  expect(curriculum!.accepts!(row({ type: 'judge' }), stage())).toBe(true)
  expect(curriculum!.accepts!(row({ type: 'open' }), stage())).toBe(false)
  expect(curriculum!.accepts!(row({ type: 'open' }), stage({ step: 50 }))).toBe(true)
  const progressive = methods.progressive_length.create({ stages: ['64x16', '128x8'] })
  expect(progressive.curriculum!.limits!(stage({ step: 50 }))).toEqual({ maxNewTokens: 128, groupSize: 8 })
  expect(accuracyWindow(0.5, 0.8, 0.2, 0.4)).toEqual([0.3, 0.7])
})

describe('tree search', () => {
  /** A walk over digits; right when it spells the target, over after as many digits. */
  const walk = (target: string): Solver<string> => {
    let calls = 0
    return {
      expand: async (state, count) => Array.from({ length: count }, () => state + String(calls++ % 3)),
      judge: async (state) => (state.length < target.length ? null : state === target),
    }
  }
  test('counts the rounds to the first right answer', async () => {
    expect(await searchDifficulty('', walk('0'))).toBe(1)
    expect(await searchDifficulty('', walk('1'))).toBe(2)
    expect(await searchDifficulty('', walk('9'))).toBeNull()
  })
  test('unvisited children come first; hard questions are kept', () => {
    expect(upperBound(0, 0, 5, 1)).toBe(Number.POSITIVE_INFINITY)
    expect(upperBound(1, 2, 4, 1)).toBeCloseTo(0.5 + Math.sqrt(Math.log(4) / 2), 12)
    expect([isWorthTraining(5, 5), isWorthTraining(6, 5), isWorthTraining(null, 5)]).toEqual([false, true, true])
  })
})

test('self-improvement imitates the best finished completion, the shortest of equals', () => {
  const samples = [
    sample({ reward: 1, tokens: 12 }),
    sample({ reward: 1, tokens: 9 }),
    sample({ reward: 2, finish: 'length' }),
    sample({ reward: null }),
  ]
  expect(bestSample(group(samples), 1)).toBe(1)
  expect(bestSample(group(samples), 1.5)).toBeNull()
})

test('consistency is for right answers whose reasoning carries them', () => {
  expect(reasoningOf('<think> a </think><answer>1</answer>')).toBe('a')
  expect(reasoningOf('</think> a <think>')).toBeNull()
  expect([consistencyScore(true, true), consistencyScore(true, false), consistencyScore(false, true)]).toEqual([
    1, 0, 0,
  ])
  expect(Object.values(consistencyWeights).reduce<number>((a, b) => a + b, 0)).toBeCloseTo(1, 12)
})

describe('imitation of continuations', () => {
  test('is of right ones alone', () => {
    const { imitate } = methods.forced_rethinking.create(defaultsOf(methods.forced_rethinking.parameters))
    const samples = [
      ...[sample({ accuracy: 1, continued: true }), sample({ accuracy: 1 }), sample({ continued: true })],
    ]
    expect(imitate!([group(samples)], stage())).toEqual([[0.05, 0, 0]])
  })
  test('an advantage of c has the gradient of -c log p where the ratio is 1', () => {
    const logp = Float32Array.of(-1, -2)
    const weights = Float32Array.of(0.25, 0.75)
    const loss = { kind: 'clip', clipLow: 0.2, clipHigh: 0.35, dualClip: null, ratioCap: null } as const
    const gradient = (advantage: number) =>
      policyLoss(logp, { loss, weights, advantages: Float32Array.of(advantage, advantage), oldLogp: null }).dlogp
    const [with_, without] = [gradient(0.7 + 0.05), gradient(0.7)]
    for (const i of [0, 1]) expect(with_[i]! - without[i]!).toBeCloseTo(-0.05 * weights[i]!, 6)
  })
})

test('every method says what it does, where it comes from and what it can be told', () => {
  for (const [name, method] of Object.entries(methods)) {
    expect(method.name).toBe(name)
    expect(method.about.endsWith('.') && method.source.length > 0, name).toBe(true)
    for (const { about } of Object.values(method.parameters)) expect(about, name).not.toBe('')
  }
})
