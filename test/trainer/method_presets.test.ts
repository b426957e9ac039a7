/** Every preset of a method in training: its own rewards, methods and constants on a tiny vision-language model. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/config/load.ts'
import { methodPresets } from '../../src/config/method_presets.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import { readMetrics } from '../../src/metrics/jsonl.ts'
import { train } from '../../src/trainer/train.ts'
import { temporaryFolder } from './runs.ts'
import { tinyVlInput, writeTinyVl } from './tiny_vl.ts'

type Name = keyof typeof methodPresets
const names = Object.keys(methodPresets) as Name[]

const folder = temporaryFolder()
const at = (name: string) => join(folder.dir, name)

/** Rows with every column that some preset's rewards or methods read. */
function writeRows(file: string, answer: (row: Record<string, unknown>) => string): string {
  const rows = readFileSync(at('data/train.jsonl'), 'utf8').trim().split('\n')
  const written = rows.map((line, i) => {
    const row = JSON.parse(line) as Record<string, unknown>
    return JSON.stringify({
      ...{ ...row, answer: answer(row), type: ['judge', 'choice', 'open'][i % 3], image_complexity: i },
      ...{ key_steps: ['a', ['e', 'o']], gt_action: 'click', gt_bbox: [0.2, 0.2, 0.8, 0.8], gt_input_text: '' },
      ...{ schema: { type: 'object' }, constraints: [{ type: 'count', a: 'cat', n: 1 }] },
    })
  })
  writeFileSync(join(at('data'), file), `${written.join('\n')}\n`)
  return join(at('data'), file)
}

let plain: string
let boxes: string
beforeAll(async () => {
  await writeTinyVl(folder.dir)
  plain = writeRows('plain.jsonl', (row) => String(row.answer))
  boxes = writeRows('boxes.jsonl', () => "[{'Position': [100, 100, 500, 500], 'Confidence': 1}]")
})
afterAll(() => folder.remove())

/** Sizes for a tiny run; whatever a paper says of rewards, losses and methods stays. */
function runOf(name: Name): { config: ReturnType<typeof parseConfig>['config']; dir: string } {
  const dir = at(name)
  const tiny = tinyVlInput(folder.dir, dir)
  const { settings } = methodPresets[name] as { settings: Partial<ConfigInput> }
  const usesBoxes = name === 'visual_rft' || name === 'perception_r1'
  const input = {
    ...{ run: tiny.run, report: tiny.report, eval: { atEnd: false } },
    model: { ...tiny.model },
    data: { train: [usesBoxes ? boxes : plain] },
    rollout: { promptsPerStep: 3, groupSize: 4, maxNewTokens: 8 },
    train: { steps: 2, tokensPerMicroBatch: 256 },
    algorithm: { preset: name },
    // Lengths that are long enough to matter would be long to sample.
    ...(name === 'vision_r1'
      ? { methods: [{ name: 'progressive_length', parameters: { stages: ['6x4', '8x2'] } }] }
      : {}),
    ...(settings.rewards ? {} : { rewards: [{ name: 'accuracy' }, { name: 'length', parameters: { max: 4 } }] }),
  }
  return { config: parseConfig(JSON.stringify(input), 'c.yaml').config, dir }
}

describe.each(names)('%s', (name) => {
  test('is what its paper says, and the configuration says where from', () => {
    const text = `algorithm: { preset: ${name} }\nrun: { dir: r }\nmodel: { path: m }\ndata: { train: [a] }\ntrain: { steps: 3 }`
    const { config, origin } = parseConfig(text, 'c.yaml')
    const { source, settings } = methodPresets[name] as { source: string; settings: Partial<ConfigInput> }
    expect(config).toMatchObject(settings)
    for (const section of ['rewards', 'methods', 'data.template', 'algorithm.loss.clipHigh'])
      if (origin(section) !== 'default') expect(origin(section)).toBe(`preset ${name}: ${source}`)
    for (const list of ['rewards', 'methods'] as const) expect(origin(list) === 'default').toBe(!settings[list])
  })

  test('trains for two steps', async () => {
    const { config, dir } = runOf(name)
    await train(config)
    const steps = readMetrics(dir).filter(({ loss }) => loss !== undefined)
    expect(steps).toHaveLength(2)
    for (const step of steps) {
      expect([Number.isFinite(step.loss), Number.isFinite(step.grad_norm)]).toEqual([true, true])
      expect(Object.keys(step).filter((key) => key.endsWith('/failures'))).toEqual([])
      expect(Number.isFinite(step.reward)).toBe(true)
      for (const reward of config.rewards) {
        const own = 'as' in reward && reward.as ? reward.as : 'name' in reward ? reward.name : ''
        expect(Number.isFinite(step[`rewards/${own}/mean`])).toBe(true)
      }
    }
  })
})

test("a preset's lists give way to the user's", () => {
  const text =
    'algorithm: { preset: fast }\nmethods: []\nrewards: [{ name: math }]\nrun: { dir: r }\nmodel: { path: m }\ndata: { train: [a] }\ntrain: { steps: 3 }'
  const { config } = parseConfig(text, 'c.yaml')
  expect([config.methods, config.rewards.map((reward) => 'name' in reward && reward.name)]).toEqual([[], ['math']])
})
