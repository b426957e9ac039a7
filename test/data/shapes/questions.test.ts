/** The answers against an independent reading of the sentences and, for the pictures, of the pixels. */
import { describe, expect, test } from 'vitest'
import { createRandom } from '../../../src/core/random.ts'
import { drawScene } from '../../../src/data/shapes/draw.ts'
import { kinds, questions } from '../../../src/data/shapes/questions.ts'
import { defaultStyle, type ShapesRow, shapesRow, shapesSentences } from '../../../src/data/shapes/rows.ts'
import { colours, randomScene, type Scene, shapes } from '../../../src/data/shapes/scene.ts'

function draw(count: number, seed = 0, style = defaultStyle): ShapesRow[] {
  const taken = new Set<string>()
  return Array.from({ length: count }, (_, k) => shapesRow([seed, 0], k, style, taken))
}
const rows = draw(3000)
const texts = Object.values(questions).flatMap((lists) => lists.flat().map(({ text }) => text))

/** How many items a word of a question stands for. */
function amount(scene: Scene, word: string): number {
  const singular = word.replace(/ ?shapes$/, '').replace(/s$/, '')
  return scene.filter((item) => item && (singular === '' || item.colour === singular || item.shape === singular)).length
}

/** Answers a question from its sentence alone. */
function solve(question: string, scene: Scene): string {
  const match = (pattern: RegExp) => pattern.exec(question)?.slice(1)
  const counted = match(/^How many (.+)\?$/)
  if (counted) return String(amount(scene, counted[0]!))
  const compared = match(/^More (\w+) or (\w+)(?: shapes)?\?$/)
  if (compared) {
    const [a, b] = compared.map((word) => amount(scene, word)) as [number, number]
    return a > b ? compared[0]! : a < b ? compared[1]! : 'same'
  }
  const sum = match(/^How much is (\w+) times (\w+) (plus twice|plus|minus) (\w+)\?$/)
  if (sum) {
    const product = amount(scene, sum[0]!) * amount(scene, sum[1]!)
    const third = amount(scene, sum[3]!) * (sum[2] === 'plus twice' ? 2 : 1)
    return String(sum[2] === 'minus' ? product - third : product + third)
  }
  const property = question.startsWith('What colour') ? 'colour' : 'shape'
  const word = match(/^What (?:colour is the (\w+)|shape is the (\w+) one)\?$/)!.find(Boolean)!
  const found = scene.filter((item) => item && (item.colour === word || item.shape === word))
  expect(found).toHaveLength(1)
  return found[0]![property]
}

describe('questions', () => {
  test('every answer follows from the sentence and the scene', () => {
    for (const { question, scene, answer } of rows)
      expect([question, solve(question, scene)]).toEqual([question, answer])
  })

  test('every sentence is one question', () => {
    expect(new Set(texts).size).toBe(texts.length)
    expect(new Set(rows.map(({ question }) => question)).size).toBe(texts.length)
  })

  test('no constant answer is good, for any kind', () => {
    const limit = { count: 0.25, compare: 0.4, attribute: 0.25, arithmetic: 0.25 }
    for (const kind of kinds) {
      const answers = rows.filter((row) => row.kind === kind).map(({ answer }) => answer)
      const share =
        Math.max(...[...new Set(answers)].map((a) => answers.filter((b) => a === b).length)) / answers.length
      expect(share, kind).toBeLessThan(limit[kind])
      expect(answers.length / rows.length).toBeCloseTo(defaultStyle.mix[kind], 1)
    }
  })

  test('knowing the sentence but not the picture does not help much', () => {
    const counts = new Map<string, Map<string, number>>()
    for (const { question, answer } of rows) {
      const answers = counts.get(question) ?? new Map<string, number>()
      counts.set(question, answers.set(answer, (answers.get(answer) ?? 0) + 1))
    }
    const right = [...counts.values()].reduce((sum, answers) => sum + Math.max(...answers.values()), 0)
    expect(right / rows.length).toBeLessThan(0.42)
  })

  test('no scene is asked the same twice', () => {
    const keys = rows.map(({ scene, question }) => JSON.stringify([scene, question]))
    expect(new Set(keys).size).toBe(rows.length)
  })
})

/** A sum or difference of products of digits. */
function calculate(text: string): number {
  const products = text.split(/[+-]/).map((term) => term.split('*').reduce((product, n) => product * Number(n), 1))
  return text.includes('-') ? products[0]! - products[1]! : products.reduce((a, b) => a + b)
}

describe('targets', () => {
  test('the working counts the whole sort, adds up, and ends with the answer', () => {
    for (const { target, scene, kind, question, answer } of draw(1000, 1)) {
      const [, think, given] = /^<think>(.*)<\/think><answer>(.*)<\/answer>$/.exec(target)!
      expect(given).toBe(answer)
      if (think === '') {
        expect(defaultStyle.direct[kind]).toBeGreaterThan(0)
        continue
      }
      if (kind === 'attribute') {
        expect(scene.some((item) => item && `${item.colour} ${item.shape}` === think)).toBe(true)
        expect(think!.split(' ')).toContain(answer)
        continue
      }
      const tallies = [...think!.split(', ')[0]!.matchAll(/([a-z]+) (\d)/g)].map(
        ([, word, digit]) => [word!, Number(digit)] as const,
      )
      const sort = [colours, shapes.map((shape) => `${shape}s`), ['shapes']].find((words) =>
        (words as readonly string[]).includes(tallies[0]![0]),
      )
      expect(tallies.map(([word]) => word)).toEqual(sort)
      for (const [word, digit] of tallies) expect(digit).toBe(amount(scene, word))
      expect(tallies.some(([word]) => question.includes(word))).toBe(true)
      const [, conclusion] = think!.split(', ')
      if (kind === 'count') expect(conclusion).toBeUndefined()
      if (kind === 'compare') expect(conclusion).toMatch(/^\d (over|under|equals) \d$/)
      if (kind === 'arithmetic') {
        const sides = conclusion!.split('=')
        expect(sides.map(calculate)).toEqual(sides.map(() => Number(answer)))
        expect(sides.at(-1)).toBe(answer)
      }
    }
  })

  test('the asked share of targets has no working', () => {
    for (const kind of kinds) {
      const own = rows.filter((row) => row.kind === kind)
      const direct = own.filter(({ target }) => target.startsWith('<think></think>'))
      expect(Math.abs(direct.length / own.length - defaultStyle.direct[kind]), kind).toBeLessThan(0.06)
    }
    const all = draw(60, 2, { ...defaultStyle, direct: { count: 1, compare: 1, attribute: 1, arithmetic: 1 } })
    expect(all.every(({ target }) => target.startsWith('<think></think>'))).toBe(true)
  })

  test('sentences for the tokenizer hold every word of the questions, and few others', () => {
    const sentences = shapesSentences()
    const words = (all: readonly string[]) => new Set(all.join(' ').match(/[a-z]+/gi))
    expect([...words(texts)].filter((word) => !words(sentences).has(word))).toEqual([])
    expect(sentences).toEqual(shapesSentences())
    expect(words(sentences).size).toBeLessThan(60)
  })
})

describe('drawScene', () => {
  test('each cell shows its colour, a ring around a hole, and grey when empty', () => {
    const grey = [122, 116, 104]
    const near = { red: [255, 110, 130], green: [120, 255, 120], blue: [100, 160, 255], yellow: [235, 215, 60] }
    for (let k = 0; k < 40; k++) {
      const random = createRandom(k)
      const scene = randomScene(random)
      const pixels = drawScene(scene, 84, random)
      for (const [cell, item] of scene.entries()) {
        const middle = ((Math.floor(cell / 3) * 28 + 14) * 84 + (cell % 3) * 28 + 14) * 3
        const show = (at: number, expected: number[], tolerance: number) => {
          const rgb = [...pixels.subarray(at, at + 3)]
          expect(Math.max(...rgb.map((value, c) => Math.abs(value - expected[c]!)))).toBeLessThanOrEqual(tolerance)
        }
        const filled = item && item.shape !== 'ring'
        show(middle, filled ? near[item.colour] : grey, filled ? 8 : 0)
        if (item?.shape === 'ring') show(middle + 8 * 3, near[item.colour], 8)
      }
    }
  })

  test('shapes stay inside their cells and their areas differ', () => {
    const areas = shapes.map((shape) => {
      const scene = Array.from({ length: 9 }, () => ({ shape, colour: colours[0] }))
      const pixels = drawScene(scene, 84, createRandom(1))
      let covered = 0
      for (let p = 0; p < 84 * 84; p++) {
        const grey = pixels[p * 3] === 122 && pixels[p * 3 + 1] === 116 && pixels[p * 3 + 2] === 104
        if (!grey) covered++
        const [x, y] = [(p % 84) % 28, Math.floor(p / 84) % 28]
        if (x === 0 || y === 0 || x === 27 || y === 27) expect(grey).toBe(true)
      }
      return covered / (84 * 84)
    })
    expect(areas[0]).toBeGreaterThan(0.1)
    for (const k of [1, 2]) expect(areas[k]! / areas[k - 1]!).toBeGreaterThan(1.4)
  })
})
