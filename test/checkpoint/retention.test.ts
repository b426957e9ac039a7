import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeChecksums } from '../../src/checkpoint/checksums.ts'
import { checkpointPath, listCheckpoints, newestSound } from '../../src/checkpoint/retention.ts'
import { temporaryFolder } from '../trainer/runs.ts'

let folder: ReturnType<typeof temporaryFolder>
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => folder.remove())

async function writeCheckpoints(...steps: number[]) {
  for (const step of steps) {
    const dir = checkpointPath(folder.dir, step)
    mkdirSync(dir, { recursive: true })
    writeFileSync(join(dir, 'model.safetensors'), `weights of ${step}`)
    writeFileSync(join(dir, 'trainer_state.json'), '{}')
    await writeChecksums(dir)
  }
}

const file = (step: number, name: string) => join(checkpointPath(folder.dir, step), name)

test('the newest sound checkpoint is found, and nothing is said', async () => {
  await writeCheckpoints(2, 10, 9)
  const warnings: string[] = []
  expect(await newestSound(folder.dir, (w) => warnings.push(w))).toBe(checkpointPath(folder.dir, 10))
  expect(await newestSound(folder.dir, (w) => warnings.push(w), 9)).toBe(checkpointPath(folder.dir, 9))
  expect(await newestSound(folder.dir, (w) => warnings.push(w), 1)).toBeNull()
  expect(warnings).toEqual([])
})

test.each<[string, () => void, RegExp]>([
  [
    'one flipped bit',
    () => {
      const bytes = readFileSync(file(3, 'model.safetensors'))
      bytes[4]! ^= 1
      writeFileSync(file(3, 'model.safetensors'), bytes)
    },
    /model\.safetensors: expected SHA-256/,
  ],
  ['a cut file', () => writeFileSync(file(3, 'model.safetensors'), 'wei'), /expected 12 bytes but received 3/],
  ['a missing file', () => rmSync(file(3, 'trainer_state.json')), /expected 2 bytes but received nothing/],
  ['no checksums', () => rmSync(file(3, 'checksums.json')), /checksums\.json: expected a readable file/],
  ['broken checksums', () => writeFileSync(file(3, 'checksums.json'), '{"version":1,"fi'), /expected JSON/],
  ['checksums of nothing', () => writeFileSync(file(3, 'checksums.json'), '{"version":1,"files":null}'), /an object/],
])('%s sends the run back to the checkpoint before, with a warning', async (_, damage, reason) => {
  await writeCheckpoints(1, 2, 3)
  damage()
  const warnings: string[] = []
  expect(await newestSound(folder.dir, (w) => warnings.push(w))).toBe(checkpointPath(folder.dir, 2))
  expect(warnings).toHaveLength(1)
  expect(warnings[0]).toMatch(reason)
  expect(warnings[0]).toMatch(/Moved to .*damaged-3; going back to the checkpoint before it/)
  expect(await listCheckpoints(folder.dir)).toEqual([1, 2])
  expect(existsSync(join(folder.dir, 'checkpoints', 'damaged-3'))).toBe(true)
})

test('a run whose checkpoints are all damaged does not start from nothing', async () => {
  await writeCheckpoints(1)
  writeFileSync(file(1, 'model.safetensors'), '')
  await expect(newestSound(folder.dir, () => {})).rejects.toThrow(/a checkpoint that is not damaged/)
})
