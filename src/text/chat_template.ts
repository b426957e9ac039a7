/** Messages -> prompt text, by the chat template of a model folder. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Template } from '@huggingface/jinja'
import { exists, readJsonObject } from '../checkpoint/files.ts'
import { InputError } from '../core/errors.ts'
import type { Message } from '../core/types.ts'

/**
 * @example
 * const template = await ChatTemplate.load('models/Qwen2.5-VL-3B-Instruct')
 * template.render([{ role: 'user', content: 'Hi' }]) // '<|im_start|>system\n...assistant\n'
 */
export class ChatTemplate {
  private readonly template: Template
  private readonly variables: Readonly<Record<string, unknown>>

  /** `variables` are visible to the template beside `messages`, e.g. `eos_token`. `where` names it in errors. */
  constructor(source: string, variables: Readonly<Record<string, unknown>> = {}, where = 'chat template') {
    this.variables = variables
    try {
      this.template = new Template(source)
    } catch (cause) {
      throw new InputError(where, 'a Jinja template', (cause as Error).message, '', { cause })
    }
  }

  /** Reads the template of a model folder, wherever it keeps it. Throws InputError when there is none. */
  static async load(dir: string, variables: Readonly<Record<string, unknown>> = {}): Promise<ChatTemplate> {
    const jinja = join(dir, 'chat_template.jinja')
    if (await exists(jinja)) return new ChatTemplate(await readFile(jinja, 'utf8'), variables, jinja)
    for (const name of ['chat_template.json', 'tokenizer_config.json']) {
      const file = join(dir, name)
      const source = (await exists(file)) ? pickTemplate((await readJsonObject(file)).chat_template) : undefined
      if (source !== undefined) return new ChatTemplate(source, variables, `${file} chat_template`)
    }
    throw new InputError(dir, 'a chat template', 'none', 'Add chat_template.jinja to the model folder')
  }

  /**
   * Renders the conversation with the opening of the assistant's turn behind it. `options` go to the template.
   * Throws InputError, naming `where`, when the template rejects the messages.
   */
  render(messages: readonly Message[], where = 'messages', options: Readonly<Record<string, unknown>> = {}): string {
    try {
      return this.template.render({ ...this.variables, messages, add_generation_prompt: true, ...options })
    } catch (cause) {
      throw new InputError(where, 'messages that fit the chat template', (cause as Error).message, '', { cause })
    }
  }
}

/** One template, or a list of named ones of which `default` counts. */
function pickTemplate(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (!Array.isArray(value)) return undefined
  const entry = value.find((item) => item?.name === 'default') ?? value[0]
  return typeof entry?.template === 'string' ? entry.template : undefined
}
