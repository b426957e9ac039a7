import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Tokenizer } from '../../src/text/tokenizer.ts'
import { fixture, fixtureJson } from '../harness/fixtures.ts'

interface EncodeCase {
  text: string
  ids: number[]
  decoded: string
  decoded_skip_special: string
}

const encodeCases = fixtureJson<EncodeCase[]>('tokenizer/encode_cases.json')
const decodeCases = fixtureJson<Omit<EncodeCase, 'text'>[]>('tokenizer/decode_cases.json')
const info = fixtureJson<{ added_tokens: { id: number; content: string; special: boolean }[]; tokenizer_len: number }>(
  'tokenizer/info.json',
)

describe.each([
  ['current files', 'tokenizer'],
  ['hub-style files', 'tokenizer/hub_style'],
])('golden cases, %s', async (_, dir) => {
  const tokenizer = await Tokenizer.load(fixture(dir))

  it(`encodes and decodes ${encodeCases.length} texts`, () => {
    for (const { text, ids, decoded, decoded_skip_special } of encodeCases) {
      expect(tokenizer.encode(text)).toEqual(ids)
      expect(tokenizer.decode(ids)).toBe(decoded)
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(decoded_skip_special)
    }
  })

  it(`decodes ${decodeCases.length} arbitrary id lists`, () => {
    for (const { ids, decoded, decoded_skip_special } of decodeCases) {
      expect(tokenizer.decode(Int32Array.from(ids))).toBe(decoded)
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(decoded_skip_special)
    }
  })

  it('knows the added tokens', () => {
    for (const { id, content, special } of info.added_tokens) {
      expect(tokenizer.id(content)).toBe(id)
      expect(tokenizer.specialIds.has(id)).toBe(special)
    }
    expect(tokenizer.id('<|nope|>')).toBeUndefined()
    expect(tokenizer.token(info.tokenizer_len)).toBeUndefined()
    expect(tokenizer.eosIds).toEqual([1746])
    expect(tokenizer.namedTokens).toMatchObject({ eos_token: '<|im_end|>', pad_token: '<|endoftext|>' })
  })

  it('gives the bytes of every token', () => {
    const { bytes, offsets } = tokenizer.tokenBytes(1792)
    expect(offsets.length).toBe(1793)
    const text = (ids: number[]) =>
      new TextDecoder('utf-8', { ignoreBOM: true }).decode(
        Buffer.concat(ids.map((id) => bytes.subarray(offsets[id], offsets[id + 1]))),
      )
    for (const { ids, decoded_skip_special } of encodeCases) expect(text(ids)).toBe(decoded_skip_special)
    expect(offsets[1792]).toBe(offsets[info.tokenizer_len])
    const special = tokenizer.id('<|im_end|>')!
    expect(offsets[special + 1]).toBe(offsets[special])
    expect(text([tokenizer.id('</answer>')!])).toBe('</answer>')
  })
})

describe('loading', () => {
  it('collects the end tokens of the generation config', async () => {
    const tokenizer = await Tokenizer.load(fixture('models/qwen2'))
    expect(tokenizer.eosIds).toEqual([1746, 1744])
    expect(Array.from(tokenizer.encodeCompletion('a'))).toEqual([64, 1746])
  })

  it('refuses missing and unusable files', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'rft-tokenizer-'))
    try {
      await expect(Tokenizer.load(dir)).rejects.toThrow(/tokenizer.json: expected a readable file/)
      await writeFile(join(dir, 'tokenizer.json'), '{"model": {"type": "Nonsense"}}')
      await expect(Tokenizer.load(dir)).rejects.toThrow(
        /tokenizer.json: expected a tokenizer of the Hugging Face format/,
      )
    } finally {
      await rm(dir, { recursive: true })
    }
  })

  it('refuses a tokenizer without an end token', () => {
    const file = fixtureJson<Record<string, unknown>>('tokenizer/tokenizer.json')
    expect(() => new Tokenizer(file, {})).toThrow(/an end-of-sequence token/)
  })
})
