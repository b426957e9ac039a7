/** Benchmarks in the layouts they are published in, made small. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parquetWriteBuffer } from 'hyparquet-writer'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Row } from '../../src/core/types.ts'
import { chosenLetter, chosenOption, finalAnswer, lastNumber } from '../../src/evaluation/benchmarks/answers.ts'
import { benchmarks, readBenchmark } from '../../src/evaluation/benchmarks/index.ts'
import { pythonList } from '../../src/evaluation/benchmarks/mmmu.ts'
import { type BenchmarkName, benchmarkNames } from '../../src/evaluation/benchmarks/names.ts'

let dir: string
let png: Buffer
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'rft-benchmarks-'))
  png = await sharp({ create: { width: 40, height: 20, channels: 3, background: 'blue' } })
    .png()
    .toBuffer()
})
afterAll(() => rmSync(dir, { recursive: true }))

const at = (name: string, content: string | Uint8Array) => {
  mkdirSync(dirname(join(dir, name)), { recursive: true })
  writeFileSync(join(dir, name), content)
}

/** Rows as Hugging Face writes them: images as {bytes, path}, lists as lists. */
function parquet(name: string, rows: Record<string, unknown>[]): void {
  const names = Object.keys(rows[0]!)
  const isImage = (column: string) => rows.some((row) => (row[column] as { bytes?: unknown } | null)?.bytes)
  const isList = (column: string) => rows.some((row) => Array.isArray(row[column]))
  const isStruct = (column: string) => column === 'metadata'
  const schema = [{ name: 'root', num_children: names.length }] as object[]
  for (const column of names) {
    const optional = { repetition_type: 'OPTIONAL' as const }
    const text = { type: 'BYTE_ARRAY' as const, converted_type: 'UTF8' as const, ...optional }
    if (isImage(column))
      schema.push(
        { name: column, num_children: 2, ...optional },
        { name: 'bytes', type: 'BYTE_ARRAY', ...optional },
        { name: 'path', ...text },
      )
    else if (isStruct(column)) schema.push({ name: column, num_children: 1, ...optional }, { name: 'task', ...text })
    else if (isList(column))
      schema.push(
        { name: column, num_children: 1, converted_type: 'LIST', ...optional },
        { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
        { name: 'element', ...text },
      )
    else if (typeof rows[0]![column] === 'number') schema.push({ name: column, type: 'DOUBLE', ...optional })
    else schema.push({ name: column, ...text })
  }
  const columnData = names.map((column) => ({ name: column, data: rows.map((row) => row[column] ?? null) }))
  at(name, new Uint8Array(parquetWriteBuffer({ columnData, schema: schema as never })))
}

const image = () => ({ bytes: new Uint8Array(png), path: 'x.png' })
const read = (name: BenchmarkName, place = name as string) => readBenchmark(benchmarks[name], join(dir, place), null)
const score = (name: BenchmarkName, row: Row, completion: string) => {
  const { answer, columns, messages, id } = row
  const sizes = { original: { width: 40, height: 20 }, resized: { width: 80, height: 40 } }
  const input = {
    completion,
    answer,
    columns,
    messages,
    id,
    images: [sizes],
    completionTokens: 1,
    finish: 'eos' as const,
  }
  return benchmarks[name].score(input)
}
const textOf = ({ messages }: Row) =>
  (messages[0]!.content as { type: string; text?: string }[]).map((part) => part.text ?? '<IMAGE>').join('')

it('every name has its benchmark', () => {
  expect(Object.keys(benchmarks)).toEqual([...benchmarkNames])
  for (const name of benchmarkNames) expect(benchmarks[name].name).toBe(name)
})

describe('MathVista', () => {
  it('is read from parquet, and scored by option, integer, float and list', async () => {
    const common = { image: 'images/1.jpg', decoded_image: image(), unit: null, metadata: { task: 'geometry' } }
    const item = (more: object) => ({ pid: '1', question: 'How many?', choices: [], precision: 0, ...common, ...more })
    parquet('mathvista/data/testmini-00000-of-00001-abc.parquet', [
      item({ choices: ['12', '14'], answer: '14', question_type: 'multi_choice', answer_type: 'text' }),
      item({ answer: '7', answer_type: 'integer', question_type: 'free_form', unit: 'cm' }),
      item({ answer: '1.3', answer_type: 'float', question_type: 'free_form', precision: 1 }),
      item({ answer: '[1, 2]', answer_type: 'list', question_type: 'free_form' }),
    ])
    const [option, whole, float, list] = await read('mathvista')
    expect(textOf(option!)).toBe(
      '<IMAGE>How many?\nChoices:\n(A) 12\n(B) 14\nThink step by step, then put the final answer in \\boxed{}.',
    )
    expect(textOf(whole!)).toContain('(Unit: cm)')
    expect(option!.columns.source).toBe('geometry')
    expect((option!.images[0] as { bytes: Uint8Array }).bytes).toHaveLength(png.length)
    for (const right of ['\\boxed{B}', '\\boxed{14}', 'So the answer is (B).', '<answer>14</answer>'])
      expect([right, score('mathvista', option!, right)]).toEqual([right, 1])
    for (const wrong of ['\\boxed{A}', 'The answer is 12', '']) expect(score('mathvista', option!, wrong)).toBe(0)
    expect(score('mathvista', whole!, 'The answer is 7 cm.')).toBe(1)
    expect(score('mathvista', whole!, '\\boxed{8}')).toBe(0)
    expect([score('mathvista', float!, '\\boxed{1.28}'), score('mathvista', float!, '\\boxed{1.4}')]).toEqual([1, 0])
    expect([score('mathvista', list!, '\\boxed{[1,2]}'), score('mathvista', list!, '\\boxed{[2,1]}')]).toEqual([1, 0])
  })

  it('is read from the annotations beside the images', async () => {
    const item = { question: 'Q', image: 'images/1.jpg', choices: null, answer: '3', answer_type: 'integer' }
    at('mathvista-json/annot_testmini.json', JSON.stringify({ 1: item }))
    const [row] = await read('mathvista', 'mathvista-json')
    expect(row!.images).toEqual([{ path: join(dir, 'mathvista-json', 'images/1.jpg') }])
  })
})

it('MATH-Vision: options by letter, the rest as mathematics, the image where it is marked', async () => {
  const common = { id: '1', image: 'images/1.jpg', level: 1, subject: 'algebra' }
  at(
    'mathvision/test.jsonl',
    [
      { ...common, question: 'Which of <image1> is it?', options: ['A', 'B'], answer: 'B' },
      { ...common, question: 'How long?\n<image1>', options: [], answer: '\\frac{1}{2}' },
    ]
      .map((row) => JSON.stringify(row))
      .join('\n'),
  )
  const [option, free] = await read('mathvision')
  expect(textOf(option!)).toMatch(/^Which of <IMAGE> is it\?\n\(A\) A\n\(B\) B\nSolve/)
  expect([score('mathvision', option!, '\\boxed{B}'), score('mathvision', option!, '\\boxed{A}')]).toEqual([1, 0])
  expect([score('mathvision', free!, '\\boxed{0.5}'), score('mathvision', free!, '\\boxed{2}')]).toEqual([1, 0])
})

it('MathVerse: counted by problem version', async () => {
  const common = { image: 'images_version_1-4/a.png', question: 'Find x. Choices: A:1 B:2' }
  at(
    'mathverse/testmini.json',
    JSON.stringify([
      { ...common, problem_version: 'Text Dominant', question_type: 'multi-choice', answer: 'B' },
      { ...common, problem_version: 'Vision Only', question_type: 'free-form', answer: '2\\sqrt{3}', question: '' },
    ]),
  )
  const [choice, free] = await read('mathverse')
  expect([choice!.columns.source, free!.columns.source]).toEqual(['Text Dominant', 'Vision Only'])
  expect(textOf(free!)).toContain('Answer the question in the image.')
  expect([score('mathverse', choice!, 'The answer is B.'), score('mathverse', choice!, '\\boxed{A}')]).toEqual([1, 0])
  expect([score('mathverse', free!, '\\boxed{\\sqrt{12}}'), score('mathverse', free!, '\\boxed{3}')]).toEqual([1, 0])
})

describe('MMMU', () => {
  it('is read by subject, with images where they are named', async () => {
    const item = (more: object) => ({
      ...{
        id: 'validation_Art_Theory_3',
        image_1: image(),
        image_2: image(),
        answer: 'B',
        options: "['red', \"it's\"]",
      },
      ...{ question: 'Is <image 2> like <image 1>?', question_type: 'multiple-choice', ...more },
    })
    parquet('mmmu/Art_Theory/validation-00000-of-00001.parquet', [
      item({}),
      item({ question: 'How much is <image 1>?', options: '[]', answer: "['24.7', '24']" }),
    ])
    const [option, open] = await read('mmmu')
    expect(textOf(option!)).toMatch(/^Is <IMAGE> like <IMAGE>\?\n\(A\) red\n\(B\) it's\n/)
    expect([option!.images.length, option!.columns.source]).toEqual([2, 'Art_Theory'])
    expect([score('mmmu', option!, '\\boxed{B}'), score('mmmu', option!, '\\boxed{red}')]).toEqual([1, 0])
    expect([score('mmmu', open!, 'The answer is 24.7'), score('mmmu', open!, '\\boxed{25}')]).toEqual([1, 0])
  })

  it('refuses a question whose image is not there', async () => {
    at(
      'mmmu-bad/validation.jsonl',
      JSON.stringify({ id: 'validation_A_1', question: '<image 3>?', options: '[]', answer: 'x' }),
    )
    await expect(read('mmmu', 'mmmu-bad')).rejects.toThrow(/image_3: expected an image but received "none"/)
  })

  it.each([
    ["['a', 'b']", ['a', 'b']],
    ["[\"it's\", 'x']", ["it's", 'x']],
    ["['a\\'b']", ["a'b"]],
    ['[]', []],
    ['[1, 2]', ['1', '2']],
    ['plain', ['plain']],
    [['x'], ['x']],
    [null, []],
  ])('lists as Python prints them: %s', (text, wanted) => expect(pythonList(text, 'w')).toEqual(wanted))
})

it('GEOQA and CLEVR counting, as R1-V publishes them', async () => {
  at(
    'geoqa/geoqa_test_prompts.jsonl',
    JSON.stringify({ image_path: './images/0.png', question: 'Angle?', ground_truth: '145°' }),
  )
  const [angle] = await read('geoqa')
  expect(angle!.images).toEqual([{ path: join(dir, 'geoqa', './images/0.png') }])
  expect(textOf(angle!)).toBe(
    '<IMAGE>Angle?\nOutput the thinking process in <think> </think> and final answer (number) in <answer> </answer> tags.',
  )
  expect(score('geoqa', angle!, '<think>1</think><answer>145</answer>')).toBe(1)
  expect(score('geoqa', angle!, '<think>145</think><answer>35</answer>')).toBe(0)
  at(
    'clevr-count/superclevr_test200_counting_problems.jsonl',
    JSON.stringify({ image_path: 'a.png', question: 'How many?', ground_truth: 4 }),
  )
  const [count] = await read('clevr-count')
  expect(score('clevr-count', count!, '<answer>4</answer>')).toBe(1)
  expect(score('clevr-count', count!, '<answer>There are 5</answer>')).toBe(0)
})

it('RefCOCO: an overlap of a half, in pixels of the image that the model saw', async () => {
  const item = { image: 'coco/a.jpg', problem: 'the red cup', solution: [10, 5, 30, 15] }
  at('refcoco/rec_jsons_processed/refcoco_val.json', JSON.stringify([item]))
  const [row] = await read('refcoco')
  expect(row!.columns.source).toBe('refcoco_val')
  const box = (...numbers: number[]) => `<think>a</think><answer>{"bbox_2d": [${numbers}]}</answer>`
  expect(score('refcoco', row!, box(20, 10, 60, 30))).toBe(1)
  expect(score('refcoco', row!, box(20, 10, 60, 20))).toBe(1) // just a half
  expect(score('refcoco', row!, box(10, 5, 30, 15))).toBe(0)
  expect(score('refcoco', row!, 'nothing')).toBe(0)
  at('refcoco-bad/refcoco_val.json', JSON.stringify([{ ...item, solution: [1, 2] }]))
  await expect(read('refcoco', 'refcoco-bad')).rejects.toThrow(/solution: expected a box of four numbers/)
})

describe('places', () => {
  it.each([
    ['nowhere', /expected the folder of mathvista but received "nothing"/],
    ['.', /expected one of data\/testmini-\*\.parquet, /],
  ])('%s', async (place, message) => expect(read('mathvista', place)).rejects.toThrow(message))

  it('broken files are named', async () => {
    at('broken/testmini.json', '[{')
    at('broken2/testmini.parquet', 'PAR1 not')
    await expect(read('mathverse', 'broken')).rejects.toThrow(/testmini\.json: expected JSON/)
    await expect(read('mathverse', 'broken2')).rejects.toThrow(/testmini\.parquet: expected a readable parquet file/)
  })
})

describe('answers in free text', () => {
  it.each([
    ['Thus, the answer is: **42**.', '42'],
    ['Answer: A\nmore', 'A'],
    ['<think>the answer is 3</think> It is 5', 'It is 5'],
    ['first line\nlast line', 'last line'],
    ['x \\boxed{7} y', '7'],
    ['', ''],
  ])('%j', (text, wanted) => expect(finalAnswer(text)).toBe(wanted))

  it('letters and options', () => {
    expect(['B', '(b)', 'B. cup', 'B) x', '**B**', 'Bag', 'E', '3'].map((text) => chosenLetter(text, 4))).toEqual([
      ...['B', 'B', 'B', 'B', 'B', null, null, null],
    ])
    expect([
      chosenOption('blue', ['red', 'blue']),
      chosenOption('bleu', ['red', 'blue']),
      chosenOption('', ['red']),
    ]).toEqual([1, 1, -1])
  })

  it('numbers', () => expect(['a 1,234.5 b', '-3', 'none'].map(lastNumber)).toEqual([1234.5, -3, null]))

  it('is quick for hostile text', () => {
    const begin = performance.now()
    for (const text of ['answer is'.repeat(200_000), '('.repeat(1e6), '1,'.repeat(1e6), 'a'.repeat(1e6)]) {
      chosenOption(finalAnswer(text), ['red', 'blue'])
      lastNumber(finalAnswer(text))
    }
    expect(performance.now() - begin).toBeLessThan(2000)
  })
})
