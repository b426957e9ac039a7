import { describe, expect, test } from 'vitest'
import { easyr1 } from '../../../src/data/formats/easyr1.ts'

const read = (row: object) => easyr1.read(row as never, 'f:1')
const text = (value: string) => ({ type: 'text', text: value })
const image = { type: 'image' }

describe('easyr1', () => {
  test('a row as published: images where the placeholders are', () => {
    const row = { problem: 'Is <image> left of <image>?', answer: 'yes', images: ['a.png', 'b.png'], kind: 'x' }
    expect(read(row)).toMatchObject({
      messages: [{ role: 'user', content: [text('Is '), image, text(' left of '), image, text('?')] }],
      images: [{ path: 'a.png' }, { path: 'b.png' }],
      answer: 'yes',
      target: null,
    })
  })

  test('a text row stays a text', () => {
    expect(read({ problem: '2+2?', answer: 4 })).toMatchObject({
      messages: [{ role: 'user', content: '2+2?' }],
      images: [],
      answer: '4',
    })
  })

  test('an R1-V row: `image` and `solution`, no placeholder', () => {
    const parts = read({ problem: 'How many?', image: 'a.png', solution: '<answer> 3 </answer>' })
    expect(parts.messages[0]!.content).toEqual([image, text('How many?')])
    expect(parts.answer).toBe('<answer> 3 </answer>')
    expect(parts.used).toEqual(expect.arrayContaining(['problem', 'image', 'solution']))
  })

  test('neighbouring placeholders and nothing else', () => {
    expect(read({ problem: '<image><image>', answer: '', images: ['a', 'b'] }).messages[0]!.content).toEqual([
      image,
      image,
    ])
  })

  test('placeholders without images are kept for the check to find', () => {
    expect(read({ problem: '<image>q', answer: '1', images: null }).messages[0]!.content).toEqual([image, text('q')])
  })

  test('answers that are no text become JSON; null and missing are none', () => {
    const answer = (value: unknown) => read({ problem: 'q', answer: value }).answer
    expect([answer(true), answer([1, 2]), answer(0), answer(null), answer(undefined)]).toEqual([
      'true',
      '[1,2]',
      '0',
      null,
      null,
    ])
  })

  test('images as data URIs, records and file URLs', () => {
    const png = Buffer.from([137, 80, 78, 71])
    const images = [
      `data:image/png;base64,${png.toString('base64')}`,
      { bytes: png.toString('base64'), path: 'x.png' },
      { path: 'y.png', bytes: null },
      'file:///z%20z.png',
    ]
    expect(read({ problem: 'q', answer: '1', images }).images).toEqual([
      { bytes: new Uint8Array(png) },
      { bytes: new Uint8Array(png), path: 'x.png' },
      { path: 'y.png' },
      { path: '/z z.png' },
    ])
  })

  test.each<[string, object, RegExp]>([
    ['a number for an image', { images: [1] }, /f:1 images\[0\]: expected a path, a data URI/],
    ['an empty path', { images: [''] }, /f:1 images\[0\]: expected an image path/],
    ['a NUL in a path', { image: 'a\0b' }, /f:1 image: expected an image path/],
    ['a remote image', { image: 'https://x/y.png' }, /Remote images are not fetched/],
    ['bad base64', { image: 'data:image/png;base64,@@@@' }, /f:1 image: expected base64/],
    ['an empty record', { images: [{}] }, /f:1 images\[0\]/],
    ['a broken escape in a file URL', { image: 'file:///%zz' }, /f:1 image: expected a file URL/],
    ['a target that is no text', { target: ['x'] }, /f:1 target: expected a text but received \["x"\]/],
  ])('refuses %s', (_, more, message) => {
    expect(() => read({ problem: 'q', answer: '1', ...more })).toThrow(message)
  })
})
