/** The images of a pack: each distinct one once, told apart by content key. */

import { InputError } from '../core/errors.ts'
import type { Prompt } from '../core/types.ts'
import type { VisionInput } from '../native/types.ts'

/** Collects the images of prompts and the token rows that their features go to. */
export class ImageTable {
  private readonly firstFeature = new Map<string, number>()
  private readonly patches: Float32Array[] = []
  private readonly grids: number[] = []
  private readonly rows: number[] = []
  private readonly features: number[] = []
  private merged = 0

  /** @param merge side of the vision tower's merge block: merge x merge patches become one token. */
  constructor(private readonly merge: number) {}

  /**
   * @param promptBegin row of the pack where the prompt starts.
   * @throws InputError when the prompt has more or fewer image tokens than its images have features.
   */
  add(prompt: Prompt, promptBegin: number): void {
    const counts = prompt.images.map(({ grid }) => (grid[0] * grid[1] * grid[2]) / this.merge ** 2)
    const needed = counts.reduce((sum, count) => sum + count, 0)
    if (needed !== prompt.imageRows.length)
      throw new InputError(prompt.row.id, `${needed} image tokens for its images`, prompt.imageRows.length)
    let next = 0
    for (const [i, image] of prompt.images.entries()) {
      const begin = this.firstFeature.get(image.key) ?? this.register(image.key, image.patches, image.grid, counts[i]!)
      for (let feature = begin; feature < begin + counts[i]!; feature++) {
        this.rows.push(promptBegin + prompt.imageRows[next++]!)
        this.features.push(feature)
      }
    }
  }

  /** `null` when no prompt had an image. */
  toInput(): VisionInput | null {
    if (this.merged === 0) return null
    const patches = new Float32Array(this.patches.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of this.patches) {
      patches.set(part, at)
      at += part.length
    }
    return {
      keys: [...this.firstFeature.keys()],
      patches,
      grids: Int32Array.from(this.grids),
      rows: Int32Array.from(this.rows),
      features: Int32Array.from(this.features),
    }
  }

  private register(key: string, patches: Float32Array, grid: readonly number[], count: number): number {
    const begin = this.merged
    this.firstFeature.set(key, begin)
    this.patches.push(patches)
    this.grids.push(...grid)
    this.merged += count
    return begin
  }
}

/** The vision input of one prompt on its own, as generation takes it. */
export function visionInput(prompt: Prompt, merge: number): VisionInput | null {
  const images = new ImageTable(merge)
  images.add(prompt, 0)
  return images.toInput()
}
