/** What does training on one kind of question do to the others? */
import { type Kind, kinds } from '../data/shapes/index.ts'
import { drawHeatMap } from '../report/heat_map.ts'
import type { Arm, Experiment } from './define.ts'
import { drawAccuracies, entropyCurve, flatCurve, lengthCurve, rewardCurve } from './figures.ts'
import { accuracyOf, changeOf, type Results } from './results.ts'
import { isClear, points, sentence } from './wording.ts'

const names: Readonly<Record<Kind, string>> = {
  count: 'counting',
  compare: 'comparing',
  attribute: 'attributes',
  arithmetic: 'calculating',
}

const arms: readonly Arm[] = kinds.map((own) => ({
  name: own,
  label: names[own],
  settings: {},
  rows: (row) => (row.kind === own ? row : null),
}))

export const crossTask: Experiment = {
  name: 'cross-task',
  question: 'What does training on one kind of question do to the others?',
  about:
    'GRPO on one kind of question each: counting, comparing, attributes, calculating. Every trained model answers held-out questions of all four.',
  steps: 50,
  arms: () => arms,
  curves: [rewardCurve, flatCurve, lengthCurve, entropyCurve],
  columns: kinds.map((kind) => ({
    head: names[kind],
    cell: ({ answers }) => `${(100 * accuracyOf(answers, [kind]).value).toFixed(1)} %`,
  })),
  conclude(results) {
    return {
      answer: conclusion(results),
      figures: [matrix(results), drawAccuracies(results, 'Accuracy, all questions')],
    }
  },
}

function matrix({ start, arms }: Results): string {
  const changes = arms.map(({ answers }) => kinds.map((kind) => changeOf(start, answers, [kind])))
  const one = (share: number) => (100 * share).toFixed(1)
  return drawHeatMap({
    title: 'Change of held-out accuracy',
    about: `points against the start (${kinds.map((kind) => `${names[kind]} ${one(accuracyOf(start, [kind]).value)} %`).join(', ')}), with 95 % intervals; one square in twenty leaves out 0 by chance`,
    rows: arms.map(({ arm }) => arm.label),
    columns: kinds.map((kind) => names[kind]),
    rowsAre: 'trained on',
    columnsAre: 'tested on',
    values: changes.map((line) => line.map(({ value }) => 100 * value)),
    notes: changes.map((line) => line.map(({ low, high }) => `${one(low)} to ${one(high)}`)),
    format: (value) => `${value > 0 ? '+' : ''}${value.toFixed(1)}`,
  })
}

/** Clear changes on kinds that an arm was not trained on, largest first; then its own kind. */
function conclusion({ start, arms }: Results): string {
  const cells = arms.flatMap(({ arm, answers }) =>
    kinds.map((kind) => ({ arm, kind, change: changeOf(start, answers, [kind]) })),
  )
  const clear = cells.filter(({ change }) => isClear(change))
  const bySize = clear.toSorted((a, b) => Math.abs(b.change.value) - Math.abs(a.change.value))
  const others = bySize.filter(({ arm, kind }) => arm.name !== kind)
  const own = bySize.filter(({ arm, kind }) => arm.name === kind)
  const say = ({ arm, kind, change }: (typeof cells)[number]) =>
    `training on ${arm.label} moves ${names[kind]} by ${points(change)}`
  const apart = others.length === 0 ? ['no kind of question clearly moves another'] : others.slice(0, 3).map(say)
  const itself =
    own.length === 0
      ? 'none clearly moves itself'
      : `on themselves: ${own.map((cell) => `${cell.arm.label} ${points(cell.change)}`).join('; ')}`
  return [...apart, itself].map(sentence).join(' ')
}
