import { describe, expect, test } from 'vitest'
import { trl } from '../../../src/data/formats/trl.ts'

const read = (row: object) => trl.read(row as never, 'f:1')
const text = (value: string) => ({ type: 'text', text: value })
const image = { type: 'image' }

describe('trl', () => {
  test('a prompt of text', () => {
    expect(read({ prompt: 'Hi', solution: '3', image: 'a.png', difficulty: 2 })).toMatchObject({
      messages: [{ role: 'user', content: [image, text('Hi')] }],
      images: [{ path: 'a.png' }],
      answer: '3',
      used: ['prompt', 'solution', 'image', 'target'],
    })
  })

  test('messages of text: all images before the first user message', () => {
    const prompt = [
      { role: 'system', content: 's' },
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
      { role: 'user', content: 'c <image>' },
    ]
    const parts = read({ prompt, images: ['1.png', '2.png'], answer: 'x' })
    expect(parts.messages.map(({ content }) => content)).toEqual(['s', [image, image, text('a')], 'b', 'c <image>'])
    expect(parts.images).toHaveLength(2)
  })

  test('image blocks take the images in order; a block with its own image keeps it', () => {
    const prompt = [
      { role: 'user', content: [image, text('and'), { type: 'image', image: 'own.png' }] },
      { role: 'user', content: [text('then'), image] },
    ]
    const parts = read({ prompt, images: ['1.png', '2.png'] })
    expect(parts.images).toEqual([{ path: '1.png' }, { path: 'own.png' }, { path: '2.png' }])
    expect(parts.messages[0]!.content).toEqual([image, text('and'), image])
  })

  test('more images than blocks stay, for the check to find', () => {
    const prompt = [{ role: 'user', content: [image, text('q')] }]
    expect(read({ prompt, images: ['1.png', '2.png'] }).images).toHaveLength(2)
  })

  test('a target is `target` or the completion of TRL’s fine-tuning rows', () => {
    const target = (more: object) => read({ prompt: 'q', ...more }).target
    expect(target({ target: 't' })).toBe('t')
    expect(target({ completion: 'c' })).toBe('c')
    expect(target({ completion: [{ role: 'assistant', content: 'c' }] })).toBe('c')
    expect(target({ completion: [{ role: 'assistant', content: [text('c'), text('d')] }] })).toBe('cd')
    expect(target({})).toBeNull()
  })

  test('`solution` is the answer before `answer`, which then stays a column', () => {
    const { answer, used } = read({ prompt: 'q', solution: 's', answer: 'a' })
    expect(answer).toBe('s')
    expect(used).not.toContain('answer')
  })

  test.each<[string, object, RegExp]>([
    ['no messages', { prompt: [] }, /f:1 prompt: expected a text or a list of messages/],
    ['a message that is null', { prompt: [null] }, /f:1 prompt\[0\] role: expected system, user/],
    ['an unknown role', { prompt: [{ role: 'human', content: 'x' }] }, /role: .* received "human"/],
    ['content that is a number', { prompt: [{ role: 'user', content: 1 }] }, /f:1 prompt\[0\] content/],
    ['an unknown block', { prompt: [{ role: 'user', content: [{ type: 'video' }] }] }, /content\[0\] type: .*"video"/],
    ['a text block without text', { prompt: [{ role: 'user', content: [{ type: 'text' }] }] }, /content\[0\] text/],
    [
      'an assistant turn at the end',
      {
        prompt: [
          { role: 'user', content: 'q' },
          { role: 'assistant', content: 'a' },
        ],
      },
      /ends with a user turn/,
    ],
    ['a completion by the user', { prompt: 'q', completion: [{ role: 'user', content: 'x' }] }, /an assistant message/],
    ['an empty completion', { prompt: 'q', completion: [] }, /f:1 completion role/],
  ])('refuses %s', (_, row, message) => {
    expect(() => read(row)).toThrow(message)
  })
})
