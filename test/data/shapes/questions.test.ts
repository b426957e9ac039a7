/** The answers against an independent reading of the sentences and, for the pictures, of the pixels. */
import { describe, expect, test } from 'vitest'
import { createRandom } from '../../../src/core/random.ts'
import { drawScene } from '../../../src/data/shapes/draw.ts'
import { kinds, questions } from '../../../src/data/shapes/questions.ts'
import { defaultStyle, type ShapesRow, shapesRow, shapesSentences } from '../../../src/data/shapes/rows.ts'
import { cellNames, colours, randomScene, type Scene } from '../../../src/data/shapes/scene.ts'
import { workingStyles } from '../../../src/data/shapes/working.ts'

function draw(count: number, seed = 0, style = defaultStyle): ShapesRow[] {
  const taken = new Set<string>()
  return Array.from({ length: count }, (_, k) => shapesRow([seed, 0], k, style, taken))
}
const rows = draw(3000)

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
  const sum = match(/^How much is (\w+) (plus twice|plus|minus) (\w+)\?$/)
  if (sum) {
    const [a, b] = [amount(scene, sum[0]!), amount(scene, sum[2]!)]
    return String({ plus: a + b, minus: a - b, 'plus twice': a + 2 * b }[sum[1]!])
  }
  const place = cellNames.findIndex((name) => question.includes(` ${name}`))
  const property = question.startsWith('What colour') ? 'colour' : 'shape'
  if (place >= 0) return scene[place]![property]
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
    const texts = Object.values(questions).flatMap((all) => all.map(({ text }) => text))
    expect(new Set(texts).size).toBe(texts.length)
    expect(new Set(rows.map(({ question }) => question)).size).toBe(texts.length)
  })

  test('no constant answer is good, for any kind', () => {
    const limit = { count: 0.25, compare: 0.4, attribute: 0.22, arithmetic: 0.25 }
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

describe('targets', () => {
  test.each(workingStyles)('%s: the working adds up', (working) => {
    for (const { target, scene, kind, answer } of draw(400, 1, { ...defaultStyle, working })) {
      const [, think, given] = /^<think>(.*)<\/think><answer>(.*)<\/answer>$/.exec(target)!
      expect(given).toBe(answer)
      if (think === '') {
        expect(kind).toBe('arithmetic')
        continue
      }
      const tallies = [...think!.matchAll(/(?:^|, )([a-z]+) ([\d+=]+)/g)]
      expect(tallies).toHaveLength(kind === 'attribute' ? 0 : kind === 'count' ? 1 : 2)
      for (const [, word, digits] of tallies) expect(Number(digits!.at(-1))).toBe(amount(scene, word!))
      if (working === 'scan') for (const [, , digits] of tallies) expect(digits).toHaveLength(9)
      const figures = /, (\d+(?:[+-]\d+)+)=(\d+)$/.exec(think!)
      expect(figures !== null).toBe(kind === 'arithmetic')
      if (figures) {
        const terms = figures[1]!.match(/[+-]?\d+/g)!.map(Number)
        expect(terms.reduce((a, b) => a + b)).toBe(Number(answer))
        expect(figures[2]).toBe(answer)
      }
    }
  })

  test('the asked share of two-step targets has no working', () => {
    const arithmetic = rows.filter(({ kind }) => kind === 'arithmetic')
    const direct = arithmetic.filter(({ target }) => target.startsWith('<think></think>'))
    expect(direct.length / arithmetic.length).toBeCloseTo(defaultStyle.direct.arithmetic, 1)
    const all = draw(60, 2, { ...defaultStyle, direct: { count: 1, compare: 1, attribute: 1, arithmetic: 1 } })
    expect(all.every(({ target }) => target.startsWith('<think></think>'))).toBe(true)
  })

  test('sentences for the tokenizer hold every question, and few different words', () => {
    const sentences = shapesSentences()
    const texts = Object.values(questions).flatMap((all) => all.map(({ text }) => text))
    expect(texts.filter((text) => !sentences.includes(text))).toEqual([])
    expect(sentences).toEqual(shapesSentences())
    expect(new Set(sentences.join(' ').match(/[a-z]+/gi)).size).toBeLessThan(60)
  })
})

describe('drawScene', () => {
  test('each cell shows its colour at its centre and grey when empty', () => {
    const near = { red: [250, 80, 76], green: [76, 232, 104], blue: [88, 148, 255], yellow: [255, 236, 84] }
    for (let k = 0; k < 40; k++) {
      const random = createRandom(k)
      const scene = randomScene(random)
      const pixels = drawScene(scene, 84, random)
      for (const [cell, item] of scene.entries()) {
        const at = ((Math.floor(cell / 3) * 28 + 14) * 84 + (cell % 3) * 28 + 14) * 3
        const rgb = [...pixels.subarray(at, at + 3)]
        const expected = item ? near[item.colour] : [122, 116, 104]
        expect(Math.max(...rgb.map((value, c) => Math.abs(value - expected[c]!)))).toBeLessThanOrEqual(item ? 8 : 0)
      }
    }
  })

  test('shapes stay inside their cells and their outlines differ', () => {
    const areas = (['circle', 'square', 'triangle'] as const).map((shape) => {
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
    for (const area of areas) expect(area).toBeGreaterThan(0.15)
    expect(areas[2]! / areas[1]!).toBeLessThan(0.85)
  })
})
