import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Message } from '../../src/core/types.ts'
import { ChatTemplate } from '../../src/text/chat_template.ts'
import { Tokenizer } from '../../src/text/tokenizer.ts'
import { fixture, fixtureJson } from '../harness/fixtures.ts'

interface ChatCase {
  name: string
  messages: Message[]
  options: Record<string, unknown>
  rendered: string
  ids: number[]
}

const tokenizer = await Tokenizer.load(fixture('tokenizer'))

async function load(files: Record<string, string>): Promise<ChatTemplate> {
  const dir = await mkdtemp(join(tmpdir(), 'rft-template-'))
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
    return await ChatTemplate.load(dir)
  } finally {
    await rm(dir, { recursive: true })
  }
}

describe.each([
  ['qwen2_5_vl', 'chat_cases'],
  ['qwen2_5', 'chat_cases_qwen2_5'],
  ['qwen3', 'chat_cases_qwen3'],
  ['qwen3_vl', 'chat_cases_qwen3_vl'],
])('golden cases of the %s template', async (template, file) => {
  const source = await readFile(fixture(`tokenizer/chat_templates/${template}.jinja`), 'utf8')
  const chat = new ChatTemplate(source)

  it.each(fixtureJson<ChatCase[]>(`tokenizer/${file}.json`))('$name', ({ messages, options, rendered, ids }) => {
    const text = chat.render(messages, 'case', { add_generation_prompt: false, ...options })
    expect(text).toBe(rendered)
    expect(tokenizer.encode(text)).toEqual(ids)
  })
})

describe('where the template comes from', () => {
  const messages: Message[] = [{ role: 'user', content: 'x' }]
  it.each<[string, Record<string, string>]>([
    ['chat_template.jinja', { 'chat_template.jinja': 'A', 'chat_template.json': '{"chat_template": "B"}' }],
    ['chat_template.json', { 'chat_template.json': '{"chat_template": "A"}', 'tokenizer_config.json': '{}' }],
    ['tokenizer_config.json', { 'tokenizer_config.json': '{"chat_template": "A"}' }],
    [
      'a list of named templates',
      {
        'tokenizer_config.json': '{"chat_template": [{"name":"rag","template":"B"},{"name":"default","template":"A"}]}',
      },
    ],
  ])('%s', async (_, files) => expect((await load(files)).render(messages)).toBe('A'))

  it('refuses a folder without one', () => expect(load({})).rejects.toThrow(/a chat template but received "none"/))
  it('refuses a broken one', () =>
    expect(load({ 'chat_template.jinja': '{% if %}' })).rejects.toThrow(
      /chat_template.jinja: expected a Jinja template/,
    ))
})

it('names the row when the template rejects its messages', () => {
  const chat = new ChatTemplate("{{ raise_exception('roles must alternate') }}")
  expect(() => chat.render([{ role: 'user', content: 'x' }], 'a.jsonl:3')).toThrow(
    /^a.jsonl:3: expected messages that fit the chat template but received "roles must alternate"/,
  )
})

it('shows the tokenizer variables to the template and opens the assistant turn', () => {
  const chat = new ChatTemplate('{{ eos_token }}{% if add_generation_prompt %}>{% endif %}', tokenizer.namedTokens)
  expect(chat.render([])).toBe('<|im_end|>>')
})
