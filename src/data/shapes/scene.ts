/** What a picture shows: coloured shapes in some cells of a 3x3 grid. */
import type { Random } from '../../core/random.ts'

export const shapes = ['dot', 'ring', 'square'] as const
export const colours = ['red', 'green', 'blue', 'yellow'] as const
export type Shape = (typeof shapes)[number]
export type Colour = (typeof colours)[number]

export interface Item {
  shape: Shape
  colour: Colour
}

/** Nine cells, row by row from the top left. */
export type Scene = readonly (Item | null)[]

export const side = 3
export const cells = side * side
const fewest = 2
const most = 7

/** 2 to 7 items; each scene favours one colour and one shape, so that large counts are as common as small ones. */
export function randomScene(random: Random): Scene {
  const scene: (Item | null)[] = Array.from({ length: cells }, () => null)
  const favourite: Item = { shape: random.pick(shapes), colour: random.pick(colours) }
  const bias = random.unit() * 0.7
  for (let left = fewest + random.below(most - fewest + 1); left > 0; ) {
    const cell = random.below(cells)
    if (scene[cell]) continue
    scene[cell] = {
      shape: random.unit() < bias ? favourite.shape : random.pick(shapes),
      colour: random.unit() < bias ? favourite.colour : random.pick(colours),
    }
    left--
  }
  return scene
}

/** Scenes with equal keys look alike but for jitter. */
export function sceneKey(scene: Scene): string {
  return scene.map((item) => (item ? `${item.colour[0]}${item.shape[0]}` : '--')).join('')
}
