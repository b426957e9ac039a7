import { describe, expect, it } from 'vitest'
import { readSafetensors, readTensor } from '../../src/checkpoint/safetensors.ts'
import { families, mropePositions, type Visual } from '../../src/models/index.ts'
import { fixture, fixtureJson } from '../harness/fixtures.ts'

interface Sample {
  prompt_ids: number[]
  completion_ids: number[]
  first_generated_position: number
  image_grid_thw?: [number, number, number][]
  video_grid_thw?: [number, number, number][]
  second_per_grid_ts?: number[]
}

const { qwen2_5_vl } = families
const vision = qwen2_5_vl.readVisionTokens(fixtureJson('models/qwen2_5_vl/config.json'))!

function visualsOf(sample: Sample): Visual[] {
  const images = (sample.image_grid_thw ?? []).map((grid) => ({ kind: 'image' as const, grid }))
  const videos = (sample.video_grid_thw ?? []).map((grid, i) => ({
    kind: 'video' as const,
    grid,
    secondsPerGrid: sample.second_per_grid_ts![i]!,
  }))
  return [...images, ...videos]
}

async function goldenPositions(file: string, sample: number): Promise<number[]> {
  const { data } = await readTensor(await readSafetensors(fixture(file)), `s${sample}.position_ids`)
  return Array.from(data as Int32Array, Number)
}

// Where a video's time axis outgrows the picture, the original rule of the models counts, stored as `.original`.
const cases = ['a_text', 'b_image', 'c_two_images', 'd_image_multiturn', 'e_video', 'e2_video_slow.original']

describe('golden positions of qwen2_5_vl', () => {
  it.each(cases)('%s', async (name) => {
    const dir = 'models/qwen2_5_vl/vectors'
    const { samples } = fixtureJson<{ samples: Sample[] }>(`${dir}/${name.replace('.original', '')}.json`)
    for (const [i, sample] of samples.entries()) {
      const tokens = Int32Array.from([...sample.prompt_ids, ...sample.completion_ids])
      const all = qwen2_5_vl.positions(tokens, visualsOf(sample), vision)
      expect(Array.from(all.positionIds)).toEqual(await goldenPositions(`${dir}/${name}.safetensors`, i))
      const prompt = qwen2_5_vl.positions(Int32Array.from(sample.prompt_ids), visualsOf(sample), vision)
      const first = name.includes('original')
        ? fixtureJson<Record<string, { first_generated_position: number }>>(`${dir}/${name}.json`)[`s${i}`]!
        : sample
      expect(prompt.nextPosition).toBe(first.first_generated_position)
      const rows = sample.prompt_ids.flatMap((id, row) => (id === vision.image || id === vision.video ? [row] : []))
      expect(Array.from(prompt.visualRows)).toEqual(rows)
    }
  })

  it('text models count from 0', async () => {
    const { samples } = fixtureJson<{ samples: Sample[] }>('models/qwen2/vectors/a_text.json')
    for (const sample of samples) {
      const positions = families.qwen2.positions(Int32Array.from(sample.prompt_ids), [], null)
      expect(positions.nextPosition).toBe(sample.prompt_ids.length)
      expect(Array.from(positions.positionIds.slice(0, 3))).toEqual([0, 1, 2])
      expect(positions.positionIds.length).toBe(3 * sample.prompt_ids.length)
    }
  })
})

describe('placeholders that do not match', () => {
  const grid = [1, 4, 4] as const
  const image = (count: number) => new Array<number>(count).fill(vision.image)
  it.each<[string, number[], Visual[], RegExp]>([
    ['one too few', [1, ...image(3), 2], [{ kind: 'image', grid }], /4 image placeholders at token 1 but received 3/],
    ['one too many', [1, ...image(5)], [{ kind: 'image', grid }], /placeholders for 1 images or videos/],
    ['none', [1, 2], [{ kind: 'image', grid }], /placeholders for 1 images or videos but received 0/],
    ['no image', image(1), [], /placeholders for 0 images/],
    ['the wrong kind', image(4), [{ kind: 'video', grid }], /4 video placeholders at token 0 but received 0/],
  ])('%s', (_, tokens, visuals, message) => {
    expect(() => mropePositions(Int32Array.from(tokens), visuals, vision)).toThrow(message)
  })
})
