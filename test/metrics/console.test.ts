import { describe, expect, it } from 'vitest'
import { consoleSink } from '../../src/metrics/console.ts'
import { formatDuration, formatNumber } from '../../src/metrics/format.ts'

function terminal(isTTY: boolean, columns = 200) {
  let text = ''
  return { write: (part: string) => (text += part), isTTY, columns, text: () => text }
}
/** What is on the screen: every line after its last carriage return, colours removed. */
const screen = (text: string) =>
  text.split('\n').map((line) =>
    line
      .split('\r')
      .at(-1)!
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character starts a colour
      .replaceAll(/\x1b\[[0-9;]*[mK]/g, ''),
  )
function clock(...seconds: number[]) {
  return () => seconds.shift()! * 1000
}

describe('consoleSink', () => {
  it('writes plain lines where there is no terminal', () => {
    const output = terminal(false)
    const sink = consoleSink({ total: 40, output, environment: {}, now: clock(0, 2) })
    sink.step({ step: 1, reward: 0.25, loss: 0.0123456, learning_rate: 1e-6 })
    sink.step({ step: 2, reward: 0.5, loss: Number.NaN })
    sink.note?.('checkpoint saved')
    sink.close()
    expect(output.text()).toBe(
      'step  1/40  reward 0.25  loss 0.01235  lr 1e-6  left -:--\n' +
        'step  2/40  reward 0.5  loss NaN  left 1:16\n' +
        'checkpoint saved\n',
    )
  })

  it('redraws one line in a terminal, with a bar and the time left', () => {
    const output = terminal(true)
    const sink = consoleSink({ total: 4, output, environment: {}, now: clock(10, 13) })
    sink.step({ step: 1, reward: 0.25 })
    sink.step({ step: 2, reward: 0.5 })
    expect(screen(output.text())).toEqual(['step 2/4 ██████████░░░░░░░░░░  left 0:06  reward 0.5'])
    expect(output.text()).toContain('\x1b[36m')
  })

  it('keeps evaluations and notes above the live line', () => {
    const output = terminal(true)
    const sink = consoleSink({ total: 2, output, environment: {}, now: clock(0, 1) })
    sink.step({ step: 0, eval_reward: 1.5, 'eval_rewards/a/std': 2, eval_accuracy: 0.5, 'eval_accuracy/count': 0.25 })
    sink.step({ step: 1, reward: 1 })
    sink.note?.('checkpoint saved')
    sink.step({ step: 2, reward: 1, eval_accuracy: 0.75 })
    sink.close()
    expect(screen(output.text())).toEqual([
      'evaluation at step 0  accuracy 50.0 %  accuracy/count 25.0 %  reward 1.5',
      'checkpoint saved',
      'evaluation at step 2  accuracy 75.0 %',
      'step 2/2 ████████████████████  left 0:00  reward 1',
      '',
    ])
  })

  it('never fills the line, so that it can be redrawn', () => {
    for (const columns of [20, 45, 60, 80]) {
      const output = terminal(true, columns)
      const sink = consoleSink({ total: 1000, output, environment: {} })
      sink.step({ step: 1, reward: 0.1, loss: 0.2, kl: 0.3, entropy: 0.4, grad_norm: 5, 'completions/mean_length': 9 })
      expect(screen(output.text())[0]!.length).toBeLessThan(columns)
    }
  })

  it('has no colour with NO_COLOR, and no redrawing on a dumb terminal', () => {
    const plain = terminal(true)
    consoleSink({ total: 2, output: plain, environment: { NO_COLOR: '1' } }).step({ step: 1, reward: 1 })
    expect(plain.text()).not.toContain('\x1b[3')
    const dumb = terminal(true)
    consoleSink({ total: 2, output: dumb, environment: { TERM: 'dumb' } }).step({ step: 1, reward: 1 })
    expect(dumb.text()).not.toContain('\x1b')
  })
})

describe('formats', () => {
  it.each([
    [0, '0'],
    [0.123456, '0.1235'],
    [12.3456, '12.35'],
    [1234567, '1.23e6'],
    [0.000001, '1e-6'],
    [-0.00012345, '-1.23e-4'],
    [10, '10'],
    [1000, '1000'],
    [Number.NaN, 'NaN'],
  ])('%d is written %s', (value, text) => {
    expect(formatNumber(value)).toBe(text)
  })

  it.each([
    [7, '0:07'],
    [59.6, '1:00'],
    [760, '12:40'],
    [10930, '3:02:10'],
    [Number.NaN, '-:--'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text)
  })
})
