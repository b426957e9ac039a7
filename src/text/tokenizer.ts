/** Text <-> token ids: the Hugging Face tokenizer of a model folder. */

import { join } from 'node:path'
import { Tokenizer as HfTokenizer } from '@huggingface/tokenizers'
import { exists, readJsonObject } from '../checkpoint/files.ts'
import { InputError } from '../core/errors.ts'
import { tokenToBytes } from './byte_alphabet.ts'

export interface DecodeOptions {
  /** Leave out special tokens such as `<|im_end|>`. Default false. */
  skipSpecialTokens?: boolean
}

/** Bytes of every token: token i is `bytes[offsets[i] .. offsets[i + 1])`. */
export interface TokenBytes {
  bytes: Uint8Array
  offsets: Uint32Array
}

/**
 * @example
 * const tokenizer = await Tokenizer.load('models/Qwen2.5-VL-3B-Instruct')
 * tokenizer.decode(tokenizer.encode('Hi!')) // 'Hi!'
 */
export class Tokenizer {
  /** Ids that decoding with `skipSpecialTokens` leaves out. */
  readonly specialIds: ReadonlySet<number>
  /** Ids that end a completion; the first is the end of a chat turn. */
  readonly eosIds: readonly number[]
  /** Named special tokens for chat templates: `eos_token`, `pad_token`, ... */
  readonly namedTokens: Readonly<Record<string, string>>
  private readonly hf: HfTokenizer

  /** `generation` and `model`: contents of generation_config.json and config.json, which name the end tokens. */
  constructor(
    file: Record<string, unknown>,
    config: Record<string, unknown>,
    generation: Record<string, unknown> = {},
    model: Record<string, unknown> = {},
  ) {
    this.hf = new HfTokenizer(file, config)
    const added = [...this.hf.get_added_tokens_decoder()]
    this.specialIds = new Set(added.filter(([, token]) => token.special).map(([id]) => id))
    this.namedTokens = readNamedTokens(config)
    this.eosIds = this.findEos(generation, model)
  }

  /** Reads tokenizer.json and its companions. Throws InputError for a missing or unusable file. */
  static async load(dir: string): Promise<Tokenizer> {
    const optional = async (name: string) =>
      (await exists(join(dir, name))) ? await readJsonObject(join(dir, name)) : {}
    const file = await readJsonObject(join(dir, 'tokenizer.json'))
    const names = ['tokenizer_config.json', 'generation_config.json', 'config.json']
    const [config, generation, model] = await Promise.all(names.map(optional))
    try {
      return new Tokenizer(file, config!, generation, model)
    } catch (cause) {
      if (cause instanceof InputError) throw cause
      const expected = 'a tokenizer of the Hugging Face format'
      throw new InputError(join(dir, 'tokenizer.json'), expected, (cause as Error).message, '', { cause })
    }
  }

  /** Token ids of `text`. Added tokens inside the text are recognised, nothing is put around it. */
  encode(text: string): number[] {
    return this.hf.encode(text, { add_special_tokens: false }).ids
  }

  /** Text of `ids`. Invalid UTF-8 becomes U+FFFD; ids beyond the tokenizer decode to nothing. */
  decode(ids: ArrayLike<number>, { skipSpecialTokens = false }: DecodeOptions = {}): string {
    if (ids.length === 0) return ''
    return this.hf.decode(Array.from(ids), { skip_special_tokens: skipSpecialTokens })
  }

  /** Id of exactly this token; `undefined` when there is none. */
  id(token: string): number | undefined {
    return this.hf.token_to_id(token)
  }

  /** The token with this id, as written in the vocabulary; `undefined` beyond the tokenizer. */
  token(id: number): string | undefined {
    return this.hf.id_to_token(id)
  }

  /** A completion to imitate: the text's tokens and the end of the turn. */
  encodeCompletion(text: string): Int32Array {
    return Int32Array.from([...this.encode(text), this.eosIds[0]!])
  }

  /**
   * Bytes that each of the model's `vocab` ids adds to the decoded text, for matching stop strings. Special tokens
   * and ids beyond the tokenizer add none.
   */
  tokenBytes(vocab: number): TokenBytes {
    const added = this.hf.get_added_tokens_decoder()
    const pieces = Array.from({ length: vocab }, (_, id) => {
      const token = this.specialIds.has(id) ? undefined : this.token(id)
      if (token === undefined) return new Uint8Array(0)
      return added.has(id) ? new TextEncoder().encode(token) : tokenToBytes(token)
    })
    const offsets = new Uint32Array(vocab + 1)
    pieces.forEach((piece, id) => {
      offsets[id + 1] = offsets[id]! + piece.length
    })
    const bytes = new Uint8Array(offsets[vocab]!)
    pieces.forEach((piece, id) => {
      bytes.set(piece, offsets[id])
    })
    return { bytes, offsets }
  }

  private findEos(generation: Record<string, unknown>, model: Record<string, unknown>): number[] {
    const named = this.namedTokens.eos_token
    const text = (model.text_config ?? {}) as Record<string, unknown>
    const found: unknown[] = [named === undefined ? undefined : this.id(named)]
    for (const source of [generation.eos_token_id, model.eos_token_id, text.eos_token_id])
      found.push(...[source].flat())
    const ids = [...new Set(found.filter((id) => Number.isInteger(id)))] as number[]
    if (ids.length === 0)
      throw new InputError('tokenizer', 'an end-of-sequence token in tokenizer_config.json or config.json', 'none')
    return ids
  }
}

/** Entries like `"eos_token": "<|im_end|>"` or `"eos_token": { "content": "<|im_end|>" }`. */
function readNamedTokens(config: Record<string, unknown>): Record<string, string> {
  const out: Record<string, string> = {}
  for (const [key, value] of Object.entries(config)) {
    if (!key.endsWith('_token')) continue
    const content = typeof value === 'object' && value !== null ? (value as { content?: unknown }).content : value
    if (typeof content === 'string') out[key] = content
  }
  return out
}
