/** The questions about a scene: their words, their answers, and what has to be counted to answer them. */
import type { Random } from '../../core/random.ts'
import { type Colour, cellNames, colours, type Item, type Scene, type Shape, shapes } from './scene.ts'

export const kinds = ['count', 'compare', 'attribute', 'arithmetic'] as const
export type Kind = (typeof kinds)[number]

/** A set of items that a question counts: `circles`, `red`, `shapes`. */
export interface Class {
  word: string
  has(item: Item): boolean
}

export interface Question {
  kind: Kind
  text: string
  /** Answers it may have; scenes are drawn until each is as common as the others. */
  answers: readonly string[]
  /** Null: the question makes no sense for this scene. */
  answer(scene: Scene): string | null
  /** What a worked solution counts, in order. */
  counted: readonly Class[]
  /** Last line of the working: the sum in figures, or the item that was looked for. */
  conclusion(scene: Scene): string
}

export function count(scene: Scene, { has }: Class): number {
  return scene.reduce((sum, item) => sum + (item && has(item) ? 1 : 0), 0)
}

const ofColour = (colour: Colour): Class => ({ word: colour, has: (item) => item.colour === colour })
const ofShape = (shape: Shape): Class => ({ word: `${shape}s`, has: (item) => item.shape === shape })
const everything: Class = { word: 'shapes', has: () => true }
/** Two classes of one sort, in either order. */
const pairs: readonly [Class, Class][] = [colours.map(ofColour), shapes.map(ofShape)].flatMap((sort) =>
  sort.flatMap((a) => sort.filter((b) => b !== a).map((b): [Class, Class] => [a, b])),
)
/** "red" alone is an adjective: counts of colours say "red shapes". */
const noun = ({ word }: Class) => ((colours as readonly string[]).includes(word) ? `${word} shapes` : word)
const upTo = (n: number) => Array.from({ length: n + 1 }, (_, k) => String(k))

const counting: Question[] = [...colours.map(ofColour), ...shapes.map(ofShape), everything].map((of) => ({
  kind: 'count',
  text: `How many ${noun(of)}?`,
  answers: of === everything ? upTo(7).slice(2) : upTo(4),
  answer: (scene) => String(count(scene, of)),
  counted: [of],
  conclusion: () => '',
}))

const comparing: Question[] = pairs.map(([a, b]) => ({
  kind: 'compare',
  text: `More ${a.word} or ${noun(b)}?`,
  answers: [a.word, b.word, 'same'],
  answer(scene) {
    const difference = count(scene, a) - count(scene, b)
    if (difference === 0 && count(scene, a) === 0) return null
    return difference > 0 ? a.word : difference < 0 ? b.word : 'same'
  },
  counted: [a, b],
  conclusion: () => '',
}))

const attribute = (
  text: string,
  answers: readonly string[],
  what: keyof Item,
  find: (scene: Scene) => Item | null,
) => ({
  kind: 'attribute' as const,
  text,
  answers,
  answer: (scene: Scene) => find(scene)?.[what] ?? null,
  counted: [],
  conclusion: (scene: Scene) => {
    const { colour, shape } = find(scene)!
    return `${colour} ${shape}`
  },
})

const only =
  ({ has }: Class) =>
  (scene: Scene) => {
    const found = scene.filter((item) => item && has(item))
    return found.length === 1 ? found[0]! : null
  }

/** The corners and the centre. */
const askedCells = [0, 2, 4, 6, 8]

const looking: Question[] = [
  ...askedCells.flatMap((cell) => [
    attribute(`What colour is the ${cellNames[cell]} shape?`, colours, 'colour', (scene) => scene[cell]!),
    attribute(`What shape is at the ${cellNames[cell]}?`, shapes, 'shape', (scene) => scene[cell]!),
  ]),
  ...shapes.map((shape) => attribute(`What colour is the ${shape}?`, colours, 'colour', only(ofShape(shape)))),
  ...colours.map((colour) => attribute(`What shape is the ${colour} one?`, shapes, 'shape', only(ofColour(colour)))),
]

interface Operation {
  text(a: string, b: string): string
  figures(a: number, b: number): string
  value(a: number, b: number): number
}

const operations: Operation[] = [
  { text: (a, b) => `${a} plus ${b}`, figures: (a, b) => `${a}+${b}`, value: (a, b) => a + b },
  { text: (a, b) => `${a} minus ${b}`, figures: (a, b) => `${a}-${b}`, value: (a, b) => a - b },
  { text: (a, b) => `${a} plus twice ${b}`, figures: (a, b) => `${a}+${b}+${b}`, value: (a, b) => a + 2 * b },
]

const calculating: Question[] = pairs.flatMap(([a, b]) =>
  operations.map(({ text, figures, value }) => {
    const result = (scene: Scene) => value(count(scene, a), count(scene, b))
    return {
      kind: 'arithmetic' as const,
      text: `How much is ${text(a.word, b.word)}?`,
      answers: text('', '').includes('minus') ? upTo(4) : upTo(6).slice(1),
      answer: (scene: Scene) => (result(scene) < 0 ? null : String(result(scene))),
      counted: [a, b],
      conclusion: (scene: Scene) => `${figures(count(scene, a), count(scene, b))}=${result(scene)}`,
    }
  }),
)

export const questions: Readonly<Record<Kind, readonly Question[]>> = {
  count: counting,
  compare: comparing,
  attribute: looking,
  arithmetic: calculating,
}

/** A question of the kind and the answer that it should have. */
export function randomQuestion(kind: Kind, random: Random): { question: Question; wanted: string } {
  const question = random.pick(questions[kind])
  return { question, wanted: random.pick(question.answers) }
}
