/** A completion as a reward model reads it: the conversation, a question about it, or its steps with a token behind each. */
import { InputError } from '../core/errors.ts'
import type { ContentPart, Message, Row } from '../core/types.ts'
import type { RewardInput } from '../rewards/define.ts'

/** Ends of the steps of a completion in its text; blank parts belong to the step before. */
export function splitSteps(completion: string, separator: string): { text: string; end: number }[] {
  const steps: { text: string; end: number }[] = []
  let begin = 0
  for (const part of completion.split(separator)) {
    const end = begin + part.length
    if (part.trim() !== '') steps.push({ text: part.trim(), end })
    begin = end + separator.length
  }
  return steps
}

export interface Reading {
  /** Of the model, instead of what the row has. */
  readonly system: string | null
  /** Whether it sees images. */
  readonly sees: boolean
}

/** The row's conversation with `reply` as its last turn. */
export function conversationRow(input: RewardInput, row: Row | null, reply: string, reading: Reading): Row {
  const images = reading.sees ? (row?.images ?? []) : []
  const kept = images.length > 0 ? input.messages : input.messages.map(withoutImages)
  const { system } = reading
  const asked =
    system === null ? kept : [{ role: 'system' as const, content: system }, ...kept.filter((m) => m.role !== 'system')]
  return rowOf(input, [...asked, { role: 'assistant', content: reply }], images)
}

/** A question about the completion, by a template with {question}, {answer} and {completion}. */
export function questionRow(input: RewardInput, row: Row | null, template: string, reading: Reading): Row {
  const images = reading.sees ? (row?.images ?? []) : []
  const question = input.messages.flatMap((m) => (m.role === 'user' ? [textOf(m)] : [])).join('\n')
  const values = { question, answer: input.answer ?? '', completion: input.completion }
  const text = template.replaceAll(/\{(question|answer|completion)\}/g, (_, name: keyof typeof values) => values[name])
  const parts: ContentPart[] = [...images.map(() => ({ type: 'image' as const })), { type: 'text', text }]
  const system: Message[] = reading.system === null ? [] : [{ role: 'system', content: reading.system }]
  return rowOf(input, [...system, { role: 'user', content: images.length > 0 ? parts : text }], images)
}

function rowOf({ id }: RewardInput, messages: Message[], images: Row['images']): Row {
  return { id, messages, images, answer: null, target: null, columns: {} }
}

const textOf = ({ content }: Message) =>
  typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('')

const withoutImages = (message: Message): Message => ({ ...message, content: textOf(message) })

/** The id of a text that is one token. @throws InputError when it is several. */
export function singleToken(text: string, encode: (text: string) => number[], where: string): number {
  const ids = encode(text)
  if (ids.length !== 1) throw new InputError(where, `a text that is one token of the reward model`, text)
  return ids[0]!
}
