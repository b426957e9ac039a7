import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseConfig, writeResolvedConfig } from '../../src/config/load.ts'
import { jsonlSink } from '../../src/metrics/jsonl.ts'
import { type SampleRecord, samplesWriter } from '../../src/metrics/samples.ts'
import { writeReport } from '../../src/report/write.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rft-report-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const report = async () => readFileSync(await writeReport(dir), 'utf8')

function metrics(steps: number) {
  const sink = jsonlSink(dir)
  for (let step = 1; step <= steps; step++)
    sink.step({
      step,
      reward: step / steps,
      reward_std: 0.1,
      loss: step === 3 ? Number.NaN : 0.5,
      grad_norm: 1,
      'rewards/accuracy/mean': step / steps,
      'timing/rollout': 2,
      'timing/update': 1,
      ...(step % 5 === 0 ? { eval_accuracy: 0.25 + step / 100 } : {}),
    })
  sink.close()
}

function sample(changes: Partial<SampleRecord> = {}): SampleRecord {
  return {
    step: 1,
    id: 'train.jsonl:1',
    problem: 'How many?',
    answer: '2',
    images: [],
    completions: [
      {
        text: '<think>two</think><answer>2</answer>',
        rewards: { accuracy: 1 },
        total: 1,
        advantage: 0.7,
        finish: 'eos',
      },
    ],
    ...changes,
  }
}
const writeSamples = (...samples: SampleRecord[]) =>
  writeFileSync(join(dir, 'samples.jsonl'), samples.map((one) => `${JSON.stringify(one)}\n`).join(''))

/** Throws when tags do not nest. */
function checkNesting(html: string) {
  const open: string[] = []
  const single = new Set(['meta', 'img', 'link', 'br'])
  for (const [tag, slash, name, closed] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)(?:\s[^<>]*?)?(\/?)>/g)) {
    if (closed || single.has(name!)) continue
    if (slash) expect(open.pop(), `${tag} at ${html.slice(0, 40)}`).toBe(name)
    else open.push(name!)
  }
  expect(open).toEqual([])
}

describe('writeReport', () => {
  it('draws the curves of a run', async () => {
    metrics(40)
    const html = await report()
    checkNesting(html)
    for (const title of ['Reward', 'Accuracy', 'Rewards by function', 'Loss', 'Gradient norm', 'Time by phase'])
      expect(html).toContain(`<b>${title}</b>`)
    expect(html).not.toContain('<b>KL</b>')
    expect(html).toContain('step 40\nreward: 1\none standard deviation, low: 0.9')
    expect(html).toContain('class="broken"')
    expect(html).not.toMatch(/d="[^"]*NaN/)
  })

  it('needs nothing from outside and runs nothing', async () => {
    metrics(5)
    writeSamples(sample())
    const html = await report()
    expect(html).toContain(`content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"`)
    expect(html).not.toMatch(/<script|<link|<iframe|@import|(?:src|href)="(?!data:)|url\(/)
  })

  it('shows what a hostile model or dataset wrote as text', async () => {
    const evil = `</pre></div><script>alert(1)</script><img src=x onerror=alert(2)>"'&\u202e\u0000\ud800`
    metrics(2)
    const completion = {
      text: `<think>${evil}`,
      rewards: { [evil]: 1 },
      total: 1,
      advantage: null,
      finish: 'eos' as const,
    }
    writeSamples(sample({ id: evil, problem: evil, answer: evil, images: [evil], completions: [completion] }))
    writeFileSync(join(dir, 'report.json'), JSON.stringify({ [evil]: evil, perKind: { [evil]: { [evil]: 1 } } }))
    const html = await report()
    checkNesting(html)
    expect(html).not.toMatch(/<script|<img (?!alt=)/)
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(html).toContain('<i class="code">U+202E</i><i class="code">U+0000</i><i class="code">U+D800</i>')
  })

  it('embeds images of the run folder, and only of the run folder', async () => {
    const png = await sharp({ create: { width: 8, height: 4, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    const writer = samplesWriter(dir)
    writer.write(sample(), [png, Buffer.from('no image')])
    writer.close()
    const inside = await report()
    expect(inside.match(/src="data:image\/png;base64,/g)).toHaveLength(1)
    expect(inside.match(/image not shown/g)).toHaveLength(1)

    const outside = mkdtempSync(join(tmpdir(), 'rft-outside-'))
    writeFileSync(join(outside, 'secret.png'), png)
    mkdirSync(join(dir, 'samples'), { recursive: true })
    symlinkSync(join(outside, 'secret.png'), join(dir, 'samples', 'link.png'))
    writeSamples(
      sample({
        images: ['../../../../etc/hostname', 'samples/link.png', join(outside, 'secret.png'), 'data:text/html,x'],
      }),
    )
    const html = await report()
    rmSync(outside, { recursive: true })
    expect(html).not.toContain('src="data:')
    expect(html.match(/image not shown/g)).toHaveLength(4)
  })

  it('takes an inline image and marks think and answer', async () => {
    const png = await sharp({ create: { width: 8, height: 4, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    writeSamples(sample({ images: [`data:image/png;base64,${png.toString('base64')}`] }))
    const html = await report()
    expect(html).toContain('src="data:image/png;base64,')
    expect(html).toContain(
      '<span class="think">&lt;think&gt;two&lt;/think&gt;</span><span class="answer">&lt;answer&gt;2&lt;/answer&gt;</span>',
    )
  })

  it('spreads the wanted number of samples over the run', async () => {
    const { config } = parseConfig(
      '{run: {dir: r}, model: {path: m}, data: {train: [a]}, train: {steps: 50}, report: {samples: 3}}',
      'c',
    )
    await writeResolvedConfig(dir, config)
    writeSamples(...Array.from({ length: 50 }, (_, i) => sample({ step: i + 1 })))
    const shown = [...(await report()).matchAll(/<summary><b>step (\d+)<\/b>/g)].map((match) => Number(match[1]))
    expect(shown).toEqual([50, 26, 1])
  })

  it('tells results, the accuracy without images, and the configuration', async () => {
    metrics(10)
    writeFileSync(
      join(dir, 'report.json'),
      JSON.stringify({
        rlAccuracy: 0.8,
        blindAccuracy: 0.31,
        peakRssMb: 900,
        perKind: { count: { rows: 10, rl: 0.5 } },
      }),
    )
    writeFileSync(join(dir, 'config.resolved.yaml'), 'model: { path: "a<b" }\nseed: 7\ntrain: { steps: 12 }\n')
    const html = await report()
    checkNesting(html)
    expect(html).toContain('<th>rlAccuracy</th><td>80.0 %</td>')
    expect(html).toContain('<th>count</th><td>10</td><td>50.0 %</td>')
    expect(html).toContain('without the image')
    expect(html).toContain('10 of 12')
    expect(html).toContain('model a&lt;b · seed 7')
  })

  it('is a page even of an empty folder', async () => {
    const html = await report()
    checkNesting(html)
    expect(html).toContain('No metrics yet.')
  })

  it('stays small for long runs', async () => {
    metrics(20_000)
    expect((await report()).length).toBeLessThan(1_000_000)
  })
})
