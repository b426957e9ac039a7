import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aggregationWeights } from '../../src/algorithms/index.ts'
import { visionInput } from '../../src/rollout/images.ts'
import { gather, type PackGroup, packGroups, spread } from '../../src/rollout/pack.ts'
import { ids, image, MERGE, prompt } from './prompts.ts'

const options = { tokenBudget: 1000, temperature: 1, merge: MERGE }

describe('layout', () => {
  const groups: PackGroup[] = [
    { prompt: prompt('a', [1, 2, 3]), completions: [ids(4, 5, 6), ids(7), ids(8, 9)] },
    { prompt: prompt('b', [11, 12]), completions: [ids(13, 14)] },
  ]
  const [batch, ...rest] = packGroups(groups, options)

  test('one pack: the prompt once, then the inputs of each completion', () => {
    expect(rest).toEqual([])
    expect([...batch!.pack.tokens]).toEqual([1, 2, 3, 4, 5, 8, 11, 12, 13])
    expect(batch!.tokensSaved).toBe(6)
  })

  test('completions see their whole prompt and themselves; a one-token completion has no segment', () => {
    const rows = Array.from({ length: 5 }, (_, s) => [...batch!.pack.segments.subarray(7 * s, 7 * s + 7)])
    expect(rows).toEqual([
      [0, 3, 0, 0, 0, 3, 1],
      [3, 2, 0, 3, 3, 2, 1],
      [5, 1, 0, 3, 5, 1, 1],
      [6, 2, 0, 0, 6, 2, 1],
      [8, 1, 6, 2, 8, 1, 1],
    ])
  })

  test("the prompt's last row predicts every first token", () => {
    expect([...batch!.head.rows]).toEqual([2, 3, 4, 2, 2, 5, 7, 8])
    expect([...batch!.head.targets]).toEqual([4, 5, 6, 7, 8, 9, 13, 14])
  })

  test('positions of a completion go on from nextPosition on every axis', () => {
    const total = batch!.pack.tokens.length
    for (let axis = 0; axis < 3; axis++)
      expect([...batch!.pack.positionIds.subarray(axis * total, (axis + 1) * total)]).toEqual([
        ...[0, 1, 2, 13, 14, 13],
        ...[0, 1, 12],
      ])
  })

  test('columns follow the head rows', () => {
    expect([...spread(batch!, (c) => 10 * c.group + c.completion)]).toEqual([0, 0, 0, 1, 2, 2, 10, 10])
    const logp = (c: { group: number; completion: number }) =>
      Float32Array.from(groups[c.group]!.completions[c.completion]!, (t) => -t)
    expect([...gather(batch!, logp)]).toEqual([...batch!.head.targets].map((t) => -t))
  })
})

describe('images', () => {
  const red = image(1)
  const blue = image(2)
  const groups: PackGroup[] = [
    { prompt: prompt('a', [1], [red, blue]), completions: [ids(2, 3)] },
    { prompt: prompt('b', [1], [blue, red, red]), completions: [ids(2, 3)] },
  ]

  test('a distinct image is in a pack once and feeds all its rows', () => {
    const vision = packGroups(groups, options)[0]!.pack.vision!
    expect([...vision.grids]).toEqual([1, 4, 4, 1, 4, 4])
    expect(vision.patches).toHaveLength(red.patches.length + blue.patches.length)
    expect([...vision.features]).toEqual([...[0, 1, 2, 3, 4, 5, 6, 7], ...[4, 5, 6, 7, 0, 1, 2, 3, 0, 1, 2, 3]])
    expect([...vision.rows]).toEqual([...[0, 1, 2, 3, 4, 5, 6, 7], ...Array.from({ length: 12 }, (_, i) => 10 + i)])
  })

  test('generation takes one prompt on its own', () => {
    expect([...visionInput(groups[0]!.prompt, MERGE)!.rows]).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(visionInput(prompt('text', [1, 2]), MERGE)).toBeNull()
  })

  test('a prompt whose image tokens and features differ in number is refused by name', () => {
    const bad = { ...prompt('rows.jsonl:3', [1], [red]), imageRows: ids(0, 1, 2) }
    expect(() => packGroups([{ prompt: bad, completions: [ids(2)] }], options)).toThrow(
      'rows.jsonl:3: expected 4 image tokens for its images but received 3',
    )
  })
})

describe('micro-batches', () => {
  const completion = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 6 })
  const group = fc.record({
    text: fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 8 }),
    completions: fc.array(completion, { minLength: 1, maxLength: 5 }),
  })
  const groupsOf = (drawn: { text: number[]; completions: number[][] }[]): PackGroup[] =>
    drawn.map(({ text, completions }, i) => ({
      prompt: prompt(`row:${i}`, text, i % 2 ? [image(i % 3)] : []),
      completions: completions.map((c) => Int32Array.from(c)),
    }))
  const rowsOf = (g: PackGroup, c: number) => g.prompt.tokens.length + g.completions[c]!.length - 1

  test('every completion is packed once, within the budget unless it is too long alone', () => {
    fc.assert(
      fc.property(
        fc.array(group, { maxLength: 6 }),
        fc.integer({ min: 1, max: 40 }),
        fc.boolean(),
        (drawn, n, shared) => {
          const groups = groupsOf(drawn)
          const batches = packGroups(groups, { ...options, tokenBudget: n, shared })
          const packed = batches.flatMap((b) => b.completions.map((c) => `${c.group}/${c.completion}`))
          expect(packed.sort()).toEqual(groups.flatMap((g, i) => g.completions.map((_, c) => `${i}/${c}`)).sort())
          const naive = groups.reduce((sum, g) => sum + g.completions.reduce((s, _, c) => s + rowsOf(g, c), 0), 0)
          const used = batches.reduce((sum, b) => sum + b.pack.tokens.length, 0)
          expect(used + batches.reduce((sum, b) => sum + b.tokensSaved, 0)).toBe(naive)
          if (!shared) expect(used).toBe(naive)
          for (const { pack, completions } of batches) if (pack.tokens.length > n) expect(completions).toHaveLength(1)
        },
      ),
    )
  })

  test('what a completion sees and is asked does not depend on the split', () => {
    const view = (batches: ReturnType<typeof packGroups>) =>
      new Map(
        batches.flatMap(({ pack, head, completions }) =>
          completions.map((c) => {
            const own = Array.from({ length: c.length }, (_, j) => head.rows[c.begin + j]!)
            const segment = Array.from({ length: pack.segments.length / 7 }, (_, s) =>
              pack.segments.subarray(7 * s, 7 * s + 7),
            ).find((s) => s[0] === (own[1] ?? -1))
            const seen = segment ? [...pack.tokens.subarray(segment[2], segment[2]! + segment[3]!)] : []
            const targets = [...head.targets.subarray(c.begin, c.begin + c.length)]
            const positions = own.map((r) => pack.positionIds[r])
            return [`${c.group}/${c.completion}`, { seen, targets, positions, inputs: own.map((r) => pack.tokens[r]) }]
          }),
        ),
      )
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 30 }), (drawn, n) => {
        const groups = groupsOf(drawn)
        const whole = view(packGroups(groups, options))
        const parts = view(packGroups(groups, { ...options, tokenBudget: n }))
        const naive = view(packGroups(groups, { ...options, shared: false }))
        expect(parts.size).toBe(whole.size)
        for (const [key, value] of whole) {
          expect(parts.get(key)).toEqual(value)
          expect(naive.get(key)).toEqual(value)
        }
      }),
    )
  })

  test('weights over a mini-batch add up to the same total in any split', () => {
    const groups = groupsOf([
      { text: [1, 2], completions: [[1], [2, 3], [4, 5, 6]] },
      { text: [3], completions: [[7, 8], [9]] },
    ])
    const lengths = groups.flatMap((g) => g.completions.map((c) => c.length))
    const offsets = [0, 3]
    for (const mode of ['token-mean', 'sequence-mean', 'fixed-length'] as const) {
      const perCompletion = aggregationWeights(lengths, { mode, fixedLength: 8 })
      const total = (tokenBudget: number) =>
        packGroups(groups, { ...options, tokenBudget })
          .flatMap((b) => [...spread(b, (c) => perCompletion[offsets[c.group]! + c.completion]!)])
          .reduce((a, b) => a + b, 0)
      expect(total(1000)).toBeCloseTo(mode === 'fixed-length' ? 9 / 40 : 1, 6)
      for (const budget of [1, 3, 5]) expect(total(budget)).toBeCloseTo(total(1000), 6)
    }
  })

  test('an empty completion is refused, no group is no pack', () => {
    expect(() => packGroups([{ prompt: prompt('x:1', [1]), completions: [ids()] }], options)).toThrow('x:1')
    expect(packGroups([], options)).toEqual([])
  })
})
