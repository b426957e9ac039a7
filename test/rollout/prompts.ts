/** Hand-made prompts for tests: `text` tokens with `images` of 2 x 2 merged tokens in front. */
import type { ProcessedImage, Prompt } from '../../src/core/types.ts'

export const MERGE = 2
export const PATCH_DIM = 3

/** An image of 4 x 4 patches = 4 merged tokens whose patches all hold `value`. */
export function image(value: number): ProcessedImage {
  const size = { width: 56, height: 56 }
  return {
    patches: new Float32Array(16 * PATCH_DIM).fill(value),
    grid: [1, 4, 4],
    key: `image-${value}`,
    sizes: { original: size, resized: size },
  }
}

export function prompt(id: string, text: number[], images: ProcessedImage[] = []): Prompt {
  const tokens = Int32Array.from([...images.flatMap(() => [9, 9, 9, 9]), ...text])
  const positionIds = Int32Array.from({ length: 3 * tokens.length }, (_, i) => i % tokens.length)
  return {
    row: { id, messages: [], images: [], answer: null, target: null, columns: {} },
    tokens,
    positionIds,
    images,
    imageRows: Int32Array.from({ length: 4 * images.length }, (_, i) => i),
    nextPosition: tokens.length + 10,
  }
}

export const ids = (...values: number[]) => Int32Array.from(values)
