/** Puts a run's own words around a row's question: a system message in front, a template around the last user turn. */
import type { ContentPart, Message } from '../core/types.ts'

export interface PromptTemplate {
  /** System message for prompts that have none. */
  system?: string | null
  /** Text with `{problem}` where the question (its images included) goes. */
  template?: string | null
}

const slot = '{problem}'

/**
 * New messages; the given ones are left as they are.
 *
 * @example applyTemplate([{ role: 'user', content: '2+2?' }], { template: '{problem} Think first.' })
 */
export function applyTemplate(messages: readonly Message[], { system, template }: PromptTemplate): Message[] {
  const result = [...messages]
  const last = result.findLastIndex(({ role }) => role === 'user')
  if (template && last >= 0) result[last] = wrap(result[last]!, template)
  if (system && !result.some(({ role }) => role === 'system')) result.unshift({ role: 'system', content: system })
  return result
}

function wrap({ role, content }: Message, template: string): Message {
  const at = template.indexOf(slot)
  if (at < 0) return { role, content }
  const before = template.slice(0, at)
  const after = template.slice(at + slot.length)
  if (typeof content === 'string') return { role, content: before + content + after }
  return { role, content: merge([{ type: 'text', text: before }, ...content, { type: 'text', text: after }]) }
}

/** Joins neighbouring texts and drops empty ones, so that a template leaves the same parts as text written in place. */
function merge(parts: readonly ContentPart[]): ContentPart[] {
  const merged: ContentPart[] = []
  for (const part of parts) {
    const previous = merged.at(-1)
    if (part.type === 'text' && previous?.type === 'text')
      merged[merged.length - 1] = { type: 'text', text: previous.text + part.text }
    else if (part.type === 'image' || part.text !== '') merged.push(part)
  }
  return merged
}
