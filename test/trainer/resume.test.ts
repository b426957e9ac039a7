/** A few of the kill points of bench/kill_points.mjs, which runs fifty. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { killPoints } from '../../bench/kill_points.mjs'
import { compilePackage } from '../harness/compiled.ts'

test('killed, stopped, out of disk and damaged, a resumed run ends with the bits of one left alone', async () => {
  const compiled = compilePackage()
  try {
    const { points, equal } = await killPoints({ dist: join(compiled, 'dist'), points: 5 })
    expect(equal).toBe(true)
    const lost = new Map(points.map((point) => [point.kind, point.lost]))
    expect(lost.get('SIGTERM')).toBe(0)
    for (const kind of ['SIGKILL', 'SIGKILL while saving', 'disk full']) expect(lost.get(kind)).toBeLessThanOrEqual(1)
    expect(lost.get('damaged file')).toBeLessThanOrEqual(2)
  } finally {
    rmSync(compiled, { recursive: true, force: true })
  }
}, 300_000)
