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
    for (const { kind, lost } of points) expect(lost, kind).toBeLessThanOrEqual(kind === 'SIGTERM' ? 0 : 1)
  } finally {
    rmSync(compiled, { recursive: true, force: true })
  }
}, 300_000)
