import { describe, expect, it } from 'vitest'
import { Tokenizer } from '../../src/text/tokenizer.ts'
import { trainBpe } from '../../src/text/train_bpe.ts'
import { fixtureJson } from '../harness/fixtures.ts'

const added = [
  { content: '<|im_end|>', special: true },
  { content: '<think>', special: false },
]
const options = { vocab: 270, added, eos: '<|im_end|>', pad: '<|im_end|>' }
const sentences = ['How many red circles are there?', 'How many blue squares are there?', 'There are 3 red circles.']
const trained = trainBpe(sentences, options)
const tokenizer = new Tokenizer(trained.tokenizer, trained.config)

describe('trainBpe', () => {
  it('makes a tokenizer that gives back every text', () => {
    const texts = fixtureJson<{ text: string; roundtrip_exact: boolean }[]>('tokenizer/encode_cases.json')
    for (const { text, roundtrip_exact } of texts)
      if (roundtrip_exact) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
  })

  it('joins what occurs often and spends no id beyond the vocabulary', () => {
    expect(tokenizer.encode(' many').length).toBeLessThan(' many'.length)
    expect(tokenizer.encode(' circles').length).toBeLessThan(' circles'.length)
    expect(tokenizer.encode('zqx').length).toBe(3)
    expect(Math.max(...trained.ids.values())).toBe(269)
  })

  it('keeps added tokens whole and only hides the special ones', () => {
    const ids = tokenizer.encode('<think>3<|im_end|>')
    expect(ids.length).toBe(3)
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe('<think>3')
  })

  it('depends on nothing but its input', () => expect(trainBpe(sentences, options)).toEqual(trained))

  it('works without merges and refuses a vocabulary without room for the bytes', () => {
    const bytesOnly = trainBpe(sentences, { ...options, vocab: 258 })
    expect(new Tokenizer(bytesOnly.tokenizer, bytesOnly.config).encode('many').length).toBe(4)
    expect(() => trainBpe(sentences, { ...options, vocab: 257 })).toThrow(
      /vocab: expected at least 258 but received 257/,
    )
  })
})
