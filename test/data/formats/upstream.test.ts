/** Rows as the conventions of other trainers write them, read as they are. */
import { describe, expect, test } from 'vitest'
import { explain } from '../../../src/config/explain.ts'
import { detectFormat, type FormatName, formats, type RawRow } from '../../../src/data/formats/index.ts'

const image = { type: 'image' }
const text = (value: string) => ({ type: 'text', text: value })
const user = (...content: object[]) => ({ role: 'user', content })

interface Case {
  format: FormatName
  row: RawRow
  messages: unknown
  images?: unknown[]
  answer?: string | null
  target?: string | null
  kept?: string[]
}

const cases: [string, Case][] = [
  [
    'EasyR1 geometry3k',
    {
      format: 'easyr1',
      row: { images: ['a.png'], problem: '<image>Find x.', answer: '3' },
      messages: [user(image, text('Find x.'))],
      images: [{ path: 'a.png' }],
      answer: '3',
    },
  ],
  [
    'TRL conversational with images',
    {
      format: 'trl',
      row: {
        prompt: [{ role: 'user', content: 'What is it?' }],
        images: ['a.png', 'b.png'],
        solution: 'cat',
        level: 2,
      },
      messages: [user(image, image, text('What is it?'))],
      images: [{ path: 'a.png' }, { path: 'b.png' }],
      answer: 'cat',
      kept: ['level'],
    },
  ],
  [
    'verl geo3k',
    {
      format: 'verl',
      row: {
        data_source: 'hiyouga/geometry3k',
        prompt: [
          { role: 'system', content: 'Think.' },
          { role: 'user', content: 'See <image> and <image>: x?' },
        ],
        images: [{ path: 'a.png', bytes: null }, { path: 'b.png' }],
        ability: 'math',
        reward_model: { style: 'rule', ground_truth: 3 },
        extra_info: { index: 0 },
      },
      messages: [{ role: 'system', content: 'Think.' }, user(text('See '), image, text(' and '), image, text(': x?'))],
      images: [{ path: 'a.png' }, { path: 'b.png' }],
      answer: '3',
      kept: ['data_source', 'ability', 'reward_model', 'extra_info'],
    },
  ],
  [
    'verl text only, DAPO-17k',
    {
      format: 'verl',
      row: {
        prompt: [{ role: 'user', content: '2+2?' }],
        reward_model: { ground_truth: '4' },
        data_source: 'math_dapo',
      },
      messages: [{ role: 'user', content: '2+2?' }],
      answer: '4',
      kept: ['reward_model', 'data_source'],
    },
  ],
  [
    'VLM-R1 with two images',
    {
      format: 'vlm-r1',
      row: {
        id: 7,
        image: ['a.jpg', 'b.jpg'],
        conversations: [
          { from: 'human', value: '<image>\n<image>\nWhere is the cat?' },
          { from: 'gpt', value: '<answer>[1, 2, 3, 4]</answer>' },
        ],
        accu_reward_method: 'iou',
      },
      messages: [user(image, image, text('Where is the cat?'))],
      images: [{ path: 'a.jpg' }, { path: 'b.jpg' }],
      answer: '[1, 2, 3, 4]',
      kept: ['id', 'accu_reward_method'],
    },
  ],
  [
    'ms-swift with marks, objects and an assistant turn',
    {
      format: 'swift',
      row: {
        messages: [
          { role: 'user', content: '<image>Find <ref-object> near <bbox>' },
          { role: 'assistant', content: 'here' },
        ],
        images: ['a.png'],
        objects: { ref: ['the cat'], bbox: [[1, 2, 3, 4]] },
        task: 'rec',
      },
      messages: [user(image, text('Find the cat near [1,2,3,4]'))],
      images: [{ path: 'a.png' }],
      answer: 'here',
      target: 'here',
      kept: ['objects', 'task'],
    },
  ],
  [
    'ms-swift without marks, with a solution',
    {
      format: 'swift',
      row: { messages: [{ role: 'user', content: 'How many?' }], images: ['a.png', 'b.png'], solution: '3' },
      messages: [user(image, image, text('How many?'))],
      images: [{ path: 'a.png' }, { path: 'b.png' }],
      answer: '3',
    },
  ],
  [
    'ms-swift with OpenAI and Anthropic blocks',
    {
      format: 'swift',
      row: {
        messages: [
          user(
            { type: 'image_url', image_url: { url: 'a.png' } },
            { type: 'image', source: { type: 'base64', data: 'AAAA' } },
          ),
        ],
      },
      messages: [user(image, image)],
      images: [{ path: 'a.png' }, { bytes: new Uint8Array(3) }],
    },
  ],
  [
    'OpenRLHF',
    {
      format: 'openrlhf',
      row: { input: 'What?', label: '4', images: ['a.png'] },
      messages: [user(image, text('What?'))],
      images: [{ path: 'a.png' }],
      answer: '4',
    },
  ],
  [
    'MM-Eureka and lmm-r1',
    {
      format: 'openrlhf',
      row: {
        message: JSON.stringify([user({ type: 'image', image: 'a.png' }, text('x?'))]),
        question: 'x?',
        answer: '5',
      },
      messages: [user(image, text('x?'))],
      images: [{ path: 'a.png' }],
      answer: '5',
      kept: ['question'],
    },
  ],
  [
    'R1-V CLEVR',
    {
      format: 'r1-v',
      row: { image: { path: 'a.png' }, problem: 'How many items?', solution: '<answer> 3 </answer>' },
      messages: [user(image, text('How many items?'))],
      images: [{ path: 'a.png' }],
      answer: '<answer> 3 </answer>',
    },
  ],
  [
    'Video-R1, an image row',
    {
      format: 'r1-v',
      row: {
        problem_id: 1,
        problem: 'Which?',
        data_type: 'image',
        problem_type: 'multiple choice',
        options: ['A. cat', 'B. dog'],
        solution: '<answer>B</answer>',
        path: './a.png',
      },
      messages: [user(image, text('Which?\nA. cat\nB. dog'))],
      images: [{ path: './a.png' }],
      answer: '<answer>B</answer>',
      kept: ['problem_id', 'data_type', 'problem_type', 'options'],
    },
  ],
]

describe.each(cases)('%s', (_, { format, row, messages, images = [], answer = null, target = null, kept = [] }) => {
  test('is found by its columns', () => {
    expect(detectFormat(row, 'rows.jsonl:1').name).toBe(format)
  })
  test('reads as a prompt, images and a truth, without changing the row', () => {
    const before = structuredClone(row)
    const parts = formats[format].read(row, 'rows.jsonl:1')
    expect(parts).toMatchObject({ messages, images, answer, target })
    expect(Object.keys(row).filter((name) => !parts.used.includes(name))).toEqual(kept)
    expect(row).toEqual(before)
  })
})

describe('wrong rows name the row, the column and what to do', () => {
  test.each([
    ['verl', { prompt: [], reward_model: {} }, 'rows.jsonl:1 prompt: expected a list of messages'],
    [
      'verl',
      { prompt: [{ role: 'bot', content: '' }], reward_model: {} },
      'rows.jsonl:1 prompt[0] role: expected system, user, assistant or tool but received "bot"',
    ],
    [
      'verl',
      { prompt: [{ role: 'user', content: 'a' }], reward_model: {}, videos: ['v.mp4'] },
      'rows.jsonl:1 videos: expected no videos',
    ],
    [
      'verl',
      { prompt: [{ role: 'user', content: 'a' }], reward_model: {}, images: [5] },
      'rows.jsonl:1 images[0]: expected a path, a data URI',
    ],
    ['vlm-r1', { conversations: [{ from: 'gpt', value: 'a' }] }, 'rows.jsonl:1 conversations: expected a human turn'],
    [
      'swift',
      { messages: [{ role: 'assistant', content: 'a' }] },
      'rows.jsonl:1 messages: expected a prompt that ends with a user turn',
    ],
    [
      'swift',
      { messages: [{ role: 'user', content: '<bbox>' }] },
      'rows.jsonl:1 objects: expected one entry for each <bbox>',
    ],
    [
      'swift',
      { messages: [{ role: 'user', content: [{ type: 'video' }] }] },
      'rows.jsonl:1 messages[0] content[0] type: expected "text" or "image" but received "video". Only text',
    ],
    ['openrlhf', { message: '[{', answer: '1' }, 'rows.jsonl:1 message: expected chat messages as JSON text'],
    [
      'r1-v',
      { problem: 'a', solution: 'b', data_type: 'video' },
      'rows.jsonl:1 data_type: expected "image" or "text" but received "video"',
    ],
    ['r1-v', { problem: 5, solution: 'b' }, 'rows.jsonl:1 problem: expected a text but received 5'],
  ] as [FormatName, RawRow, string][])('%s %j', (format, row, message) => {
    const read = () => formats[format].read(row, 'rows.jsonl:1')
    expect(read).toThrow(message)
    expect(read).toThrow(/but received .*\. ./s)
  })
  test('columns of no format', () => {
    expect(() => detectFormat({ question: 'a' }, 'rows.jsonl:1')).toThrow(
      /rows.jsonl:1: expected the columns of verl .*data\.format/,
    )
  })
})

test('the configuration knows exactly these formats', () => {
  const named = explain('data.format').type.replace('one of ', '').split(', ')
  expect(named.sort()).toEqual(['auto', ...Object.keys(formats)].sort())
})
