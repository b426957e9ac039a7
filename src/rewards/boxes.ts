/**
 * Boxes and points: reading them from text and columns, coordinate spaces, overlap.
 *
 * | space          | unit of a coordinate                                                             |
 * | -------------- | -------------------------------------------------------------------------------- |
 * | pixel_original | pixels of the image file, turned upright (COCO, RefCOCO; VLM-R1's rows)           |
 * | pixel_resized  | pixels of the image as the model saw it (what Qwen2.5-VL answers with)            |
 * | norm1          | 0 to 1 of each side                                                              |
 * | norm1000       | 0 to 1000 of each side (Qwen2-VL, Qwen3-VL, InternVL)                            |
 *
 * Everything is compared in norm1: ratios of areas do not change when an axis is scaled. The sizes are those that the
 * image processor used, so a resize that rounds to patches is undone exactly.
 */

import { choice, whole } from '../core/parameters.ts'
import { asText } from './columns.ts'
import type { RewardInput } from './define.ts'
import { type Literal, literalsIn } from './literal.ts'

/** Left, top, right, bottom. */
export type Box = readonly [number, number, number, number]

export interface Found {
  box: Box
  label: string | null
  /** 0 to 1; `null` when none is given. */
  confidence: number | null
}

export const spaces = ['pixel_original', 'pixel_resized', 'norm1', 'norm1000'] as const
export type Space = (typeof spaces)[number]

/** Parameters of every reward that compares places in an image. */
export const spaceParameters = {
  space: choice(spaces, 'Coordinates of the completion.', 'pixel_resized'),
  truthSpace: choice(spaces, 'Coordinates of the ground truth.', 'pixel_original'),
  image: whole(0, "Which of the prompt's images the coordinates are about, from 0."),
}

export interface SpaceValues {
  space: Space
  truthSpace: Space
  image: number
}

/** Turns coordinates of a space into norm1; `null` when the space needs an image that the prompt has not. */
export function toUnit(
  space: Space,
  { images }: RewardInput,
  image: number,
): ((x: number, y: number) => [number, number]) | null {
  if (space === 'norm1') return (x, y) => [x, y]
  if (space === 'norm1000') return (x, y) => [x / 1000, y / 1000]
  const sizes = images[image]
  if (!sizes) return null
  const { width, height } = space === 'pixel_original' ? sizes.original : sizes.resized
  return (x, y) => [x / width, y / height]
}

/** The conversions of both sides, or `null` when an image is missing. When both are in one space, nothing is needed. */
export function converters(input: RewardInput, { space, truthSpace, image }: SpaceValues) {
  const given = toUnit(space, input, image)
  const truth = toUnit(truthSpace, input, image)
  if (given && truth) return { given, truth }
  const same = (x: number, y: number): [number, number] => [x, y]
  return space === truthSpace ? { given: same, truth: same } : null
}

export function convertBox([x1, y1, x2, y2]: Box, convert: (x: number, y: number) => [number, number]): Box {
  return [...convert(x1, y1), ...convert(x2, y2)]
}

export const areaOf = ([x1, y1, x2, y2]: Box): number => Math.max(0, x2 - x1) * Math.max(0, y2 - y1)

/** Intersection over union of two boxes as regions of the plane; 0 for a box that is empty or turned inside out. */
export function iou(a: Box, b: Box): number {
  const shared = areaOf([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])])
  const all = areaOf(a) + areaOf(b) - shared
  return shared > 0 && all > 0 ? shared / all : 0
}

const mostBoxes = 300

/** The boxes of a text or of a row's value, in order. */
export function boxesIn(value: unknown): Found[] {
  const found: Found[] = []
  for (const literal of pairsJoined(literalsIn(asText(value)))) collect(literal, found)
  return found
}

/** The points of a text: pairs of numbers, and the centres of boxes where there are no pairs. */
export function pointsIn(value: unknown): [number, number][] {
  const points: [number, number][] = []
  for (const literal of literalsIn(asText(value))) collectPoints(literal, points)
  return points.length > 0 ? points : boxesIn(value).map(({ box }) => centreOf(box))
}

export const centreOf = ([x1, y1, x2, y2]: Box): [number, number] => [(x1 + x2) / 2, (y1 + y2) / 2]

const isNumbers = (value: Literal, count: number): value is number[] =>
  Array.isArray(value) && value.length === count && value.every((item) => typeof item === 'number')

/** `(x1, y1), (x2, y2)` side by side is one box. */
function pairsJoined(literals: readonly Literal[]): Literal[] {
  if (literals.length === 0 || literals.length % 2 === 1) return [...literals]
  if (!literals.every((literal) => isNumbers(literal, 2))) return [...literals]
  return literals.flatMap((pair, k) => (k % 2 === 0 ? [[...(pair as number[]), ...(literals[k + 1] as number[])]] : []))
}

const boxKeys = ['bbox_2d', 'bbox', 'box', 'box_2d', 'position']
const labelKeys = ['label', 'name', 'class', 'category']
const confidenceKeys = ['confidence', 'score']

function collect(value: Literal, found: Found[]): void {
  if (found.length >= mostBoxes) return
  if (isNumbers(value, 4)) found.push({ box: value as unknown as Box, label: null, confidence: null })
  else if (Array.isArray(value)) for (const item of value) collect(item, found)
  else if (value instanceof Map) collectRecord(value, found)
}

function collectRecord(record: Map<string, Literal>, found: Found[]): void {
  const entries = new Map([...record].map(([key, item]) => [key.toLowerCase(), item]))
  const pick = (keys: readonly string[]) => keys.map((key) => entries.get(key)).find((item) => item !== undefined)
  const box = pick(boxKeys)
  if (box === undefined || !isNumbers(box, 4)) {
    for (const item of record.values()) collect(item, found)
    return
  }
  const [label, confidence] = [pick(labelKeys), pick(confidenceKeys)]
  found.push({
    box: box as unknown as Box,
    label: typeof label === 'string' ? label.trim().toLowerCase() : null,
    confidence: typeof confidence === 'number' ? Math.min(1, Math.max(0, confidence)) : null,
  })
}

function collectPoints(value: Literal, points: [number, number][]): void {
  if (points.length >= mostBoxes) return
  if (isNumbers(value, 2)) points.push(value as [number, number])
  else if (Array.isArray(value)) for (const item of value) collectPoints(item, points)
  else if (value instanceof Map) {
    const [x, y] = [value.get('x'), value.get('y')]
    if (typeof x === 'number' && typeof y === 'number') points.push([x, y])
    else for (const item of value.values()) collectPoints(item, points)
  }
}
