/** docs/rewards.md names every reward with every parameter and its default, and nothing that is not there. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { type Reward, rewards } from '../../src/rewards/index.ts'

const page = readFileSync(path.join(import.meta.dirname, '../../docs/rewards.md'), 'utf8')
const section = page.slice(page.indexOf('## Built-in rewards'), page.indexOf('### Parameters'))
const table = new Map([...section.matchAll(/^\| `([a-z_]+)` +\| (.+)$/gm)].map(([, name, rest]) => [name!, rest!]))

test.each(Object.entries(rewards))('%s', (name, { parameters }: Reward) => {
  const row = table.get(name)
  for (const [parameter, { default: value }] of Object.entries(parameters)) {
    const shown = JSON.stringify(value)
    expect(row).toContain(shown.length > 40 ? `\`${parameter}\` (see below)` : `\`${parameter}\` (\`${shown}\`)`)
    expect(page).toContain(`- \`${parameter}\`: `)
  }
})

test('no reward that is not there', () => {
  expect([...table.keys()].filter((name) => !(name in rewards))).toEqual([])
})
