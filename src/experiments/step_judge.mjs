// Judges the working of drawn-shapes answers step by step against the true one (column `working`):
// `red 1 green 2 blue 0 yellow 0, 1*2+0=2+0=2` has the steps `red 1`, `green 2`, .. and `1*2+0`, `=2+0`, `=2`.

/** What a step says, and the index behind it in the text. */
function stepsOf(text) {
  const comma = text.indexOf(',')
  const tally = comma < 0 ? text : text.slice(0, comma)
  const counts = [...tally.matchAll(/([a-z]{1,12}) (\d{1,3})/g)].map((match) => {
    return { name: match[1], value: match[2], end: match.index + match[0].length }
  })
  if (comma < 0) return counts
  const figures = []
  for (let begin = comma + 1; begin < text.length && figures.length < 10; ) {
    const equals = text.indexOf('=', begin)
    const end = equals < 0 ? text.length : equals
    figures.push({ name: `figures ${figures.length}`, value: text.slice(begin, end).trim(), end })
    begin = end + 1
  }
  return [...counts, ...figures]
}

export default {
  name: 'steps',
  description: 'The share of the true steps of the working that are there; each step earns 1 when it is right.',
  score({ completion, columns }) {
    if (typeof columns.working !== 'string' || columns.working === '') return null
    const truth = new Map(stepsOf(columns.working).map(({ name, value }) => [name, value]))
    const begin = completion.indexOf('<think>') + '<think>'.length
    const end = completion.indexOf('</think>')
    if (begin < '<think>'.length || end < begin) return { steps: [], score: 0 }
    const steps = stepsOf(completion.slice(begin, end))
    const judged = steps.map((step) => ({
      end: begin + step.end,
      reward: truth.get(step.name) === step.value ? 1 : 0,
    }))
    const right = new Set(steps.filter((_, k) => judged[k].reward === 1).map(({ name }) => name))
    return { steps: judged, score: right.size / truth.size }
  },
}
