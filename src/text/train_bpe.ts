/**
 * Builds a small byte-level BPE tokenizer in Qwen2's form from a list of sentences: 256 byte tokens, the merges that
 * shorten the sentences most, then the added tokens. The same input always gives the same tokenizer.
 */

import { InputError } from '../core/errors.ts'
import { byteToChar, textToAlphabet } from './byte_alphabet.ts'

export interface AddedToken {
  content: string
  /** Left out when decoding with `skipSpecialTokens`. */
  special: boolean
}

export interface TrainBpeOptions {
  /** Upper limit of the vocabulary: bytes, merges and added tokens. */
  vocab: number
  added: readonly AddedToken[]
  /** Content of the added token that ends a chat turn, and of the one used for padding. */
  eos: string
  pad: string
}

export interface TrainedTokenizer {
  /** Contents of tokenizer.json. */
  tokenizer: Record<string, unknown>
  /** Contents of tokenizer_config.json. */
  config: Record<string, unknown>
  /** Id of each added token. */
  ids: ReadonlyMap<string, number>
}

/** Qwen2's splitting pattern, in the syntax of tokenizer.json and in JavaScript's (no inline flag there). */
const QWEN_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
const SPLIT =
  /'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+/gu

/**
 * Throws InputError when the vocabulary cannot even hold the bytes and the added tokens.
 *
 * @example
 * const { tokenizer, config } = trainBpe(['How many red circles?'], { vocab: 512, added, eos: '<|im_end|>', pad })
 */
export function trainBpe(sentences: readonly string[], options: TrainBpeOptions): TrainedTokenizer {
  const room = options.vocab - 256 - options.added.length
  if (room < 0) throw new InputError('trainBpe vocab', `at least ${256 + options.added.length}`, options.vocab)
  const merges = learnMerges(countWords(sentences), room)
  const alphabet = [...byteToChar].sort()
  const tokens = [...alphabet, ...merges.map(([left, right]) => left + right)]
  const added = options.added.map((token, i) => ({ id: tokens.length + i, ...token }))
  return {
    tokenizer: tokenizerFile(tokens, merges, added),
    config: configFile(added, options),
    ids: new Map(added.map(({ content, id }) => [content, id])),
  }
}

interface Word {
  symbols: string[]
  count: number
}

function countWords(sentences: readonly string[]): Word[] {
  const counts = new Map<string, number>()
  for (const sentence of sentences)
    for (const [piece] of sentence.normalize('NFC').matchAll(SPLIT)) counts.set(piece, (counts.get(piece) ?? 0) + 1)
  return [...counts].map(([piece, count]) => ({ symbols: [...textToAlphabet(piece)], count }))
}

/** Repeatedly joins the most frequent pair; ties go to the pair that sorts first. Stops when no pair occurs twice. */
function learnMerges(words: Word[], limit: number): [string, string][] {
  const merges: [string, string][] = []
  const known = new Set<string>()
  while (merges.length < limit) {
    const best = mostFrequentPair(words)
    if (!best) break
    const [left, right] = best
    for (const word of words) word.symbols = joinPair(word.symbols, left, right)
    if (!known.has(left + right)) merges.push(best)
    known.add(left + right)
  }
  return merges
}

function mostFrequentPair(words: readonly Word[]): [string, string] | null {
  const counts = new Map<string, number>()
  for (const { symbols, count } of words)
    for (let i = 1; i < symbols.length; i++) {
      const pair = `${symbols[i - 1]} ${symbols[i]}`
      counts.set(pair, (counts.get(pair) ?? 0) + count)
    }
  let [best, most] = ['', 1]
  for (const [pair, count] of counts) if (count > most || (count === most && pair < best)) [best, most] = [pair, count]
  return best === '' ? null : (best.split(' ') as [string, string])
}

function joinPair(symbols: readonly string[], left: string, right: string): string[] {
  const out: string[] = []
  for (let i = 0; i < symbols.length; i++) {
    const joins = symbols[i] === left && symbols[i + 1] === right
    out.push(joins ? left + right : symbols[i]!)
    if (joins) i++
  }
  return out
}

// ------------------------------------------------------------------ files

interface NumberedToken extends AddedToken {
  id: number
}

const PLAIN = { single_word: false, lstrip: false, rstrip: false, normalized: false } as const

function tokenizerFile(tokens: string[], merges: [string, string][], added: NumberedToken[]) {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: added.map(({ id, content, special }) => ({ id, content, ...PLAIN, special })),
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: QWEN_PATTERN }, behavior: 'Isolated', invert: false },
        byteLevel,
      ],
    },
    post_processor: byteLevel,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: merges.map(([left, right]) => `${left} ${right}`),
    },
  }
}

/** The older form of the file, which every version of transformers reads. */
function configFile(added: NumberedToken[], { eos, pad }: TrainBpeOptions) {
  return {
    add_prefix_space: false,
    added_tokens_decoder: Object.fromEntries(
      added.map(({ id, content, special }) => [String(id), { content, ...PLAIN, special }]),
    ),
    additional_special_tokens: added.filter(({ special }) => special).map(({ content }) => content),
    bos_token: null,
    clean_up_tokenization_spaces: false,
    eos_token: eos,
    errors: 'replace',
    model_max_length: 32768,
    pad_token: pad,
    split_special_tokens: false,
    tokenizer_class: 'Qwen2Tokenizer',
    unk_token: null,
  }
}
