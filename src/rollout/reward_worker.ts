/**
 * The program of the thread in which a reward file runs.
 *
 * It is kept as text because it must start the same way from TypeScript sources, from the built package and
 * under a test runner. It calls `score` for each input
 * (at most `inFlight` promises open at once) and posts an event for everything that happens:
 *   ['ready', name] | ['failed', message] | ['start', i] | ['done', i, value] | ['error', i, message]
 * A value that is neither a number, null nor scores of steps is sent as text, for the message.
 */
import type { RewardInput, StepScores } from '../rewards/define.ts'

export type WorkerEvent =
  | ['ready', string]
  | ['failed', string]
  | ['start', number]
  | ['done', number, number | null | StepScores | { text: string }]
  | ['error', number, string]

export interface WorkerTask {
  indices: number[]
  inputs: RewardInput[]
}

export const rewardWorkerProgram = `
const { parentPort, workerData } = require('node:worker_threads')
const { inspect } = require('node:util')
const send = (...event) => parentPort.postMessage(event)
const inFlight = 16
const brief = (value) => {
  try {
    const text = value instanceof Error ? String(value.message) : typeof value === 'string' ? value : inspect(value, { depth: 0 })
    return text.slice(0, 300)
  } catch {
    return 'a value that cannot be shown'
  }
}
const stepScores = ({ steps, score }) => ({ steps: steps.slice(0, 10001).map(({ end, reward }) => ({ end: Number(end), reward: Number(reward) })), score })
const plain = (value) => {
  if (typeof value === 'number' || value === null) return value
  return Array.isArray(value?.steps) && ['number', 'undefined'].includes(typeof value.score) ? stepScores(value) : { text: brief(value) }
}

async function load() {
  const exported = (await import(workerData.url)).default
  if (typeof exported === 'function') return { name: workerData.name, score: exported }
  if (typeof exported?.score !== 'function' || typeof exported.name !== 'string' || exported.name === '')
    throw new Error('its default export is ' + brief(exported))
  return exported
}

async function one(reward, index, input) {
  send('start', index)
  try {
    const value = reward.score(input)
    send('done', index, plain(typeof value?.then === 'function' ? await value : value))
  } catch (error) {
    send('error', index, brief(error))
  }
}

async function all(reward, { indices, inputs }) {
  const open = new Set()
  for (let k = 0; k < indices.length; k++) {
    const call = one(reward, indices[k], inputs[k])
    open.add(call)
    call.then(() => open.delete(call))
    // What has an answer is reported before the next call can block the thread.
    await new Promise(setImmediate)
    if (open.size >= inFlight) await Promise.race(open)
  }
}

load().then(
  (reward) => {
    parentPort.on('message', (task) => all(reward, task))
    send('ready', reward.name)
  },
  (error) => send('failed', brief(error)),
)
`
