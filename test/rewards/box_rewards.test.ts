/** Rewards of places in images and time, worked out by hand, with conversions between coordinate spaces. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultsOf } from '../../src/core/parameters.ts'
import { boxesIn, iou, pointsIn, type Space, toUnit } from '../../src/rewards/boxes.ts'
import { rewards } from '../../src/rewards/index.ts'
import { averagePrecision, matchBoxes } from '../../src/rewards/matching.ts'
import { smartResize } from '../../src/vision/smart_resize.ts'
import { rewardInput } from '../harness/reward_input.ts'

const { box_iou, box_iou_squared, detection, point_in_box, gui_action, tracking, temporal_iou } = rewards
const same = { space: 'pixel_original', truthSpace: 'pixel_original' } as const

describe('iou', () => {
  test.each([
    [[0, 0, 10, 10], [0, 0, 10, 10], 1],
    [[0, 0, 10, 10], [5, 0, 15, 10], 1 / 3],
    [[0, 0, 10, 10], [10, 0, 20, 10], 0],
    [[0, 0, 10, 10], [2, 2, 4, 4], 0.04],
    // The upstream defect: equal boxes of one pixel scored 0, and overlaps of one pixel too.
    [[0, 0, 1, 1], [0, 0, 1, 1], 1],
    [[0, 0, 2, 2], [1, 1, 3, 3], 1 / 7],
    [[10, 10, 0, 0], [0, 0, 10, 10], 0],
    [[3, 3, 3, 3], [3, 3, 3, 3], 0],
  ] as const)('%j and %j: %f', (a, b, expected) => {
    expect(iou(a, b)).toBeCloseTo(expected, 12)
    expect(iou(b, a)).toBeCloseTo(expected, 12)
  })
})

test.each([
  ['[1, 2, 3, 4]', [[1, 2, 3, 4]]],
  ['{"bbox_2d": [1, 2, 3, 4], "label": "Cat"}', [[1, 2, 3, 4]]],
  [
    '```json\n[{"bbox_2d": [1,2,3,4]}, {"bbox_2d": [5,6,7,8]}]\n```',
    [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ],
  ],
  ['<box>(1,2),(3,4)</box>', [[1, 2, 3, 4]]],
  ["[{'Position': [1,2,3,4], 'Confidence': 0.5}]", [[1, 2, 3, 4]]],
  [
    '[[1,2,3,4],[5,6,7,8]]',
    [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ],
  ],
  ['[1,2,3]', []],
  ['nothing', []],
])('boxes of %s', (text, boxes) => {
  expect(boxesIn(text).map(({ box }) => box)).toEqual(boxes)
})

test('labels and confidences', () => {
  expect(boxesIn('[{"bbox":[1,2,3,4],"label":" Cat ","confidence":1.5}]')).toEqual([
    { box: [1, 2, 3, 4], label: 'cat', confidence: 1 },
  ])
})

test.each([
  ['(10, 20)', [[10, 20]]],
  ['{"x": 1, "y": 2}', [[1, 2]]],
  ['[0, 0, 10, 20]', [[5, 10]]],
  ['none', []],
])('points of %s', (text, points) => {
  expect(pointsIn(text)).toEqual(points)
})

describe('coordinate spaces', () => {
  test('a box travels from any space to any other and back within a pixel, at extreme aspect ratios too', () => {
    const sides = fc.record({ width: fc.integer({ min: 28, max: 4000 }), height: fc.integer({ min: 28, max: 4000 }) })
    const rule = { factor: 28, minPixels: 3136, maxPixels: 1_003_520 }
    fc.assert(
      fc.property(sides, fc.double({ min: 0, max: 1, noNaN: true }), (original, share) => {
        const resized = smartResize(original.height, original.width, rule)
        const input = rewardInput('', { images: [{ original, resized }] })
        const factors: Record<Space, [number, number]> = {
          pixel_original: [original.width, original.height],
          pixel_resized: [resized.width, resized.height],
          norm1: [1, 1],
          norm1000: [1000, 1000],
        }
        for (const [space, [fx, fy]] of Object.entries(factors)) {
          const [x, y] = toUnit(space as Space, input, 0)!(share * fx, share * fy)
          expect(Math.abs(x - share) * original.width).toBeLessThan(1e-6)
          expect(Math.abs(y - share) * original.height).toBeLessThan(1e-6)
        }
      }),
    )
  })

  const sizes = { original: { width: 200, height: 100 }, resized: { width: 112, height: 56 } }
  const score = (completion: string, space: Space, truthSpace: Space = 'pixel_original') =>
    box_iou.score(rewardInput(completion, { answer: '[50, 25, 100, 75]', images: [sizes] }), {
      ...defaultsOf(box_iou.parameters),
      ...{ space, truthSpace },
    })
  test('the same box in four spaces', () => {
    expect(score('[50, 25, 100, 75]', 'pixel_original')).toBe(1)
    expect(score('[28, 14, 56, 42]', 'pixel_resized')).toBe(1)
    expect(score('[0.25, 0.25, 0.5, 0.75]', 'norm1')).toBe(1)
    expect(score('[250, 250, 500, 750]', 'norm1000')).toBe(1)
    expect(score('[50, 25, 100, 75]', 'pixel_resized')).toBeLessThan(0.3)
  })
  test('an image that is not there leaves nothing to say, unless no image is needed', () => {
    const input = rewardInput('[0,0,1,1]', { answer: '[0,0,1,1]' })
    const values = defaultsOf(box_iou.parameters)
    expect(box_iou.score(input, values)).toBeNull()
    expect(box_iou.score(input, { ...values, ...same })).toBe(1)
    expect(box_iou.score(input, { ...values, space: 'norm1', truthSpace: 'norm1' })).toBe(1)
  })
})

describe('box_iou', () => {
  const on = (completion: string, answer: string | null) => rewardInput(completion, { answer })
  const values = { ...defaultsOf(box_iou.parameters), ...same }
  test('the first box counts, and only in the answer', () => {
    expect(box_iou.score(on('<think>[0,0,9,9]</think><answer>[0,0,5,10]</answer>', '[0,0,10,10]'), values)).toBe(0.5)
    expect(box_iou.score(on('[0,0,5,10] [0,0,10,10]', '[0,0,10,10]'), values)).toBe(0.5)
    expect(box_iou.score(on('no box', '[0,0,10,10]'), values)).toBe(0)
    expect(box_iou.score(on('[0,0,10,10]', 'unknown'), values)).toBeNull()
  })
  test('with a threshold', () => {
    expect(box_iou.score(on('[0,0,5,10]', '[0,0,10,10]'), { ...values, threshold: 0.5 })).toBe(1)
    expect(box_iou.score(on('[0,0,4,10]', '[0,0,10,10]'), { ...values, threshold: 0.5 })).toBe(0)
  })
  test('a column with a list as truth, and the square', () => {
    const input = rewardInput('[0,0,5,10]', { columns: { bbox: [0, 0, 10, 10] } })
    expect(box_iou.score(input, { ...values, column: 'bbox' })).toBe(0.5)
    expect(box_iou_squared.score(input, { ...same, image: 0, column: 'bbox' })).toBe(0.25)
  })
})

describe('detection', () => {
  const box = (b: number[], label = 'cat', confidence?: number) => ({ bbox: b, label, confidence })
  const truth = [box([0, 0, 10, 10]), box([20, 0, 30, 10]), box([0, 20, 10, 30], 'dog')]
  const score = (given: object[], more: object) =>
    detection.score(rewardInput(JSON.stringify(given), { answer: JSON.stringify(truth) }), {
      ...defaultsOf(detection.parameters),
      ...same,
      ...more,
    })
  const given = [box([0, 0, 10, 8], 'cat', 0.9), box([20, 0, 30, 10], 'cat', 0.6), box([50, 50, 60, 60], 'cat', 0.3)]

  test('iou: matched overlap over the larger count', () => {
    expect(score(given, { measure: 'iou' })).toBeCloseTo((0.8 + 1) / 3, 12)
    expect(score(given.slice(0, 1), { measure: 'iou' })).toBeCloseTo(0.8 / 3, 12)
    expect(score([], { measure: 'iou' })).toBe(0)
  })
  test('confidence: sure where right, unsure where wrong', () => {
    expect(score(given, { measure: 'confidence' })).toBeCloseTo((0.9 + 0.6 + 0.7) / 3, 12)
  })
  test('f', () => {
    expect(score(given, { measure: 'f' })).toBeCloseTo(2 / 3, 12)
    // precision 1, recall 1/3: F1 = 1/2, F2 = 5/13
    expect(score(given.slice(0, 1), { measure: 'f' })).toBeCloseTo(0.5, 12)
    expect(score(given.slice(0, 1), { measure: 'f', beta: 2 })).toBeCloseTo(5 / 13, 12)
  })
  test('ap50 and map: mean over the labels of the truth', () => {
    // cat: two hits in front, AP 1; dog: none.
    expect(score(given, { measure: 'ap50' })).toBeCloseTo(0.5, 12)
    // The first cat box (IoU 0.8) counts at 7 of 10 thresholds (0.5 to 0.8); where it does not, the hit at rank 2 has
    // precision 1/2 up to recall 1/2 (51 of 101 points).
    expect(score(given, { measure: 'map' })).toBeCloseTo((7 + (3 * 0.5 * 51) / 101) / 20, 12)
  })
  test('boxes beyond the true count cost when asked', () => {
    const many = [...given, ...Array.from({ length: 3 }, () => box([70, 70, 80, 80], 'cat', 0.1))]
    expect(score(many, { measure: 'ap50', countPenalty: true })).toBeCloseTo(0.25, 12)
  })
  test('no true boxes: nothing to say', () => {
    const input = rewardInput('[]', { answer: '[]' })
    expect(detection.score(input, { ...defaultsOf(detection.parameters), ...same })).toBeNull()
  })
  test('a box is matched once', () => {
    const one = boxesIn('[[0,0,10,10]]')
    expect(matchBoxes(boxesIn('[[0,0,10,9],[0,0,10,10]]'), one, 0.5)).toEqual([{ given: 1, truth: 0, overlap: 1 }])
    // The hit comes second: precision 1/2 at every recall.
    expect(averagePrecision(boxesIn('[[5,5,9,9],[0,0,10,10]]'), one, 0.5)).toBeCloseTo(0.5, 12)
  })
})

test.each([
  ['(5, 5)', 1],
  ['[0, 0, 10, 10]', 1],
  ['(10, 10)', 1],
  ['(11, 5)', 0],
  ['nowhere', 0],
])('point_in_box: %s scores %i', (completion, score) => {
  const input = rewardInput(completion, { answer: '[0,0,10,10]' })
  expect(point_in_box.score(input, { ...same, image: 0, column: '' })).toBe(score)
})

describe('gui_action', () => {
  const columns = { gt_action: 'click', gt_bbox: [100, 100, 200, 200], gt_input_text: 'no input text' }
  const score = (completion: string, more: object = columns, partial = false) =>
    gui_action.score(rewardInput(completion, { columns: more as Record<string, unknown> }), {
      ...defaultsOf(gui_action.parameters),
      ...same,
      partial,
    })
  test.each([
    ["<answer>[{'action': 'click', 'point': [150, 150], 'input_text': 'no input text'}]</answer>", 1],
    ['{"action": "tap", "coordinate": [150, 150]}', 1],
    ['click(150, 150)', 1],
    ['pyautogui.click(x=150, y=150)', 1],
    ["click(start_box='(150,150)')", 0],
    ["{'action': 'click', 'point': [250, 150]}", 0],
    ["{'action': 'type', 'point': [150, 150]}", 0],
    ['click somewhere', 0],
    ['', 0],
  ])('%s scores %i', (completion, expected) => {
    expect(score(completion)).toBe(expected)
  })
  test('typing', () => {
    const typing = { gt_action: 'type', gt_input_text: 'new york hotels' }
    expect(score("type('new york hotels')", typing)).toBe(1)
    expect(score('{"action": "type", "input_text": "hotels in new york"}', typing)).toBe(1)
    expect(score('{"action": "type", "input_text": "paris"}', typing)).toBe(0)
    expect(score('{"action": "type", "input_text": "paris"}', typing, true)).toBe(0.5)
  })
  test('actions without a place', () => {
    expect(score('press_back', { gt_action: 'press_back' })).toBe(1)
    expect(score('{"action": "press_home"}', { gt_action: 'press_back' })).toBe(0)
    expect(score('x', {})).toBeNull()
  })
})

describe('tracking', () => {
  const score = (completion: string, answer: string) =>
    tracking.score(rewardInput(completion, { answer }), { ...same, image: 0, column: '' })
  test('frame by frame; a missing frame scores 0', () => {
    const truth = '{"0": [0,0,10,10], "1": [0,0,10,10]}'
    expect(score('{"0": [0,0,10,10], "1": [0,0,5,10]}', truth)).toBe(0.75)
    expect(score('{"1": [0,0,10,10], "7": [0,0,10,10]}', truth)).toBe(0.5)
    expect(score('[[0,0,10,10],[0,0,10,10]]', truth)).toBe(1)
    expect(score('none', truth)).toBe(0)
    expect(score('[[0,0,1,1]]', 'none')).toBeNull()
  })
})

test.each([
  ['10 to 20', '10 - 20', 1],
  ['from 10.0 to 15.0 s', '[10, 20]', 0.5],
  ['00:10 - 00:20', '10 to 20', 1],
  ['1:00:00 to 1:00:10', '3600 to 3620', 0.5],
  ['30 to 40', '10 to 20', 0],
  ['20 to 10', '10 to 20', 0],
  ['never', '10 to 20', 0],
  ['10 to 20', 'never', null],
])('temporal_iou: %s against %s: %j', (completion, answer, score) => {
  expect(temporal_iou.score(rewardInput(completion, { answer }))).toBe(score)
})
