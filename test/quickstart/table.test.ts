import { expect, it } from 'vitest'
import { closingTable } from '../../src/quickstart/table.ts'

it('closingTable: a line per kind, all of them weighted by rows, and what it took', () => {
  const text = closingTable({
    ...{ seed: 3, sftAccuracy: 0.5, rlAccuracy: 0.875, blindAccuracy: 0.2, heldOut: 400, steps: 60 },
    perKind: {
      arithmetic: { rows: 300, bestConstant: 0.2, sft: 0.4, rl: 0.85, blind: 0.18 },
      count: { rows: 100, bestConstant: 0.24, sft: 0.8, rl: 0.95, blind: 0.26 },
    },
    ...{ seconds: 125, secondsOf: {}, tokensPerSecond: 4321.4, peakRssMb: 390.6 },
  })
  const cells = text.split('\n').map((line) => line.trim().split(/\s{2,}/))
  expect(cells[0]).toEqual(['questions', 'rows', 'best constant', 'warm start', 'after RL', 'blind'])
  expect(cells[2]).toEqual(['arithmetic', '300', '20.0 %', '40.0 %', '85.0 %', '18.0 %'])
  expect(cells[3]).toEqual(['count', '100', '24.0 %', '80.0 %', '95.0 %', '26.0 %'])
  expect(cells[5]).toEqual(['all', '400', '21.0 %', '50.0 %', '87.5 %', '20.0 %'])
  expect(text).toContain('60 RL steps, 4321 tokens/s, 391 MiB at most')
  expect(
    new Set(
      text
        .split('\n')
        .slice(0, 6)
        .map((line) => line.length),
    ).size,
  ).toBe(1)
})
