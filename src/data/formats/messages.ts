/** Chat messages as datasets write them, and where a row's images go in them. */
import { InputError } from '../../core/errors.ts'
import type { ContentPart, ImageRef, Message, Role } from '../../core/types.ts'
import { asText, readImage } from './define.ts'

const roles = new Map<unknown, Role>((['system', 'user', 'assistant', 'tool'] as const).map((role) => [role, role]))
/** What rows with `from` and `value` call them. */
const speakers = new Map<unknown, Role>([...roles, ['human', 'user'], ['gpt', 'assistant']])

export const imagePlaceholder = '<image>'

export interface Conversation {
  messages: Message[]
  /** Images inside content blocks, and after them the row's own that no block took. */
  images: ImageRef[]
  /** Images of the row that neither a block nor a placeholder stands for. */
  unplaced: number
}

/**
 * A list of `{role, content}` (or `{from, value}`). An image block that carries its image keeps it; the others, and
 * `<image>` in texts when `placeholders` is set, take the row's images in order.
 *
 * @throws InputError at `where[k]` for a message that is none.
 */
export function readConversation(
  value: unknown,
  given: readonly ImageRef[],
  where: string,
  { placeholders }: { placeholders: boolean },
): Conversation {
  if (!Array.isArray(value) || value.length === 0)
    throw new InputError(where, 'a list of messages', value, 'Each message is {"role": .., "content": ..}.')
  const queue = [...given]
  const images: ImageRef[] = []
  const take = (payload: unknown, at: string) => {
    const image = payload === undefined || payload === null ? queue.shift() : readImage(payload, at)
    if (image) images.push(image)
  }
  const messages = value.map((message, k) => readMessage(message, `${where}[${k}]`, take, placeholders))
  return { messages, images: [...images, ...queue], unplaced: queue.length }
}

type Take = (payload: unknown, at: string) => void

export function readMessage(value: unknown, where: string, take: Take, placeholders: boolean): Message {
  const { role, from, content, value: said } = (value ?? {}) as Record<string, unknown>
  const known = role === undefined ? speakers.get(from) : roles.get(role)
  if (!known) throw new InputError(`${where} role`, 'system, user, assistant or tool', role ?? from, roleRemedy)
  const body = content ?? said
  if (typeof body === 'string') return { role: known, content: placeholders ? splitText(body, take, where) : body }
  if (!Array.isArray(body)) throw new InputError(`${where} content`, 'a text or a list of blocks', body, blockRemedy)
  const parts = body.flatMap((block, k) => readBlock(block, `${where} content[${k}]`, take, placeholders))
  return { role: known, content: parts }
}

const roleRemedy = 'Each message is {"role": .., "content": ..}.'
const blockRemedy = 'A block is {"type": "text", "text": ..} or {"type": "image"}.'

function readBlock(block: unknown, where: string, take: Take, placeholders: boolean): ContentPart[] {
  if (typeof block === 'string') return asParts(placeholders ? splitText(block, take, where) : block)
  const { type, text, image, image_url, source } = (block ?? {}) as Record<string, unknown>
  if (type === 'text') {
    const said = asText(text, `${where} text`)
    return asParts(placeholders ? splitText(said, take, where) : said)
  }
  if (type === 'image' || type === 'image_url') {
    take(image ?? urlOf(image_url) ?? embedded(source), `${where} image`)
    return [{ type: 'image' }]
  }
  if (type === 'video' || type === 'audio')
    throw new InputError(`${where} type`, '"text" or "image"', type, 'Only text and images are read.')
  throw new InputError(`${where} type`, '"text" or "image"', type, blockRemedy)
}

/** OpenAI's `{"url": ..}`, or the address itself. */
function urlOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? (value as { url?: unknown }).url : value
}

/** Anthropic's `{"type": "base64", "data": ..}`. */
function embedded(source: unknown): unknown {
  const { data } = (source ?? {}) as { data?: unknown }
  return typeof data === 'string' ? { bytes: data } : undefined
}

const asParts = (content: string | ContentPart[]): ContentPart[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : content

/** A text with `<image>` in it as parts; a text without stays a text. */
function splitText(text: string, take: Take, where: string): string | ContentPart[] {
  const pieces = text.split(imagePlaceholder)
  if (pieces.length === 1) return text
  return pieces.flatMap((piece, k): ContentPart[] => {
    if (k > 0) take(undefined, where)
    return [
      ...(k > 0 ? [{ type: 'image' } as const] : []),
      ...(piece === '' ? [] : [{ type: 'text', text: piece } as const]),
    ]
  })
}

/** The message with `count` images before its content. */
export function withImages({ role, content }: Message, count: number): Message {
  if (count === 0) return { role, content }
  const blocks: ContentPart[] = Array.from({ length: count }, () => ({ type: 'image' }))
  return { role, content: [...blocks, ...asParts(content)] }
}

/** Puts images that no placeholder stands for before the first user message; their order is kept. */
export function placeInFront({ messages, images, unplaced }: Conversation): {
  messages: Message[]
  images: ImageRef[]
} {
  const first = messages.findIndex(({ role }) => role === 'user')
  if (unplaced === 0 || first < 0) return { messages, images }
  const placed = images.slice(0, images.length - unplaced)
  const result = [...messages]
  result[first] = withImages(messages[first]!, unplaced)
  return { messages: result, images: [...images.slice(images.length - unplaced), ...placed] }
}

/** Takes a last assistant turn off a conversation: what is left is the prompt. */
export function splitLastTurn(messages: readonly Message[]): { prompt: Message[]; last: string | null } {
  const last = messages.at(-1)
  if (last?.role !== 'assistant') return { prompt: [...messages], last: null }
  const { content } = last
  const text =
    typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('')
  return { prompt: messages.slice(0, -1), last: text }
}

export function requireUserTurn(messages: readonly Message[], where: string): void {
  const last = messages.at(-1)?.role
  if (last !== undefined && last !== 'assistant' && messages.some(({ role }) => role === 'user')) return
  const remedy = 'A prompt ends with a user turn; what follows is the completion.'
  throw new InputError(
    where,
    'a prompt that ends with a user turn',
    last ? `one that ends with ${last}` : 'none',
    remedy,
  )
}
