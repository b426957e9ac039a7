/**
 * RefCOCO, RefCOCO+ and RefCOCOg as VLM-R1 publishes them: JSON lists of image, problem and solution (the box in pixels of
 * the file). Right is an overlap (IoU) of at least a half; the model answers in pixels of the image it saw.
 */
import { InputError } from '../../core/errors.ts'
import { firstOverlap } from '../../rewards/box_iou.ts'
import { defineBenchmark } from './define.ts'
import { imagesIn, optionalText } from './read.ts'

export const refcoco = defineBenchmark({
  name: 'refcoco',
  about: 'The box of what a phrase refers to (RefCOCO, +, g: val or test, as VLM-R1 publishes them).',
  files: ['refcoco*.json', 'rec_jsons_processed/refcoco*.json', 'refcoco*.jsonl'],
  instruction:
    'First output the thinking process in <think> </think> tags and then output the final answer in <answer> </answer> tags, in JSON format with the key "bbox_2d".',
  read(item, where) {
    const box = item.solution ?? item.bbox
    if (!Array.isArray(box) || box.length !== 4 || !box.every((n) => Number.isFinite(n)))
      throw new InputError(`${where} solution`, 'a box of four numbers', box)
    const phrase = optionalText(item, 'problem') || optionalText(item, 'normal_caption') || optionalText(item, 'sent')
    if (phrase === '') throw new InputError(`${where} problem`, 'a phrase', item.problem)
    return {
      content: [{ type: 'image' }, { type: 'text', text: phrase }],
      images: imagesIn(item, ['image', 'image_path'], where),
      answer: JSON.stringify(box),
      source: optionalText(item, 'dataset') || where.slice(where.lastIndexOf('/') + 1).split('.')[0]!,
      columns: {},
    }
  },
  score: (input) => ((firstOverlap(input, places) ?? 0) >= 0.5 ? 1 : 0),
})

const places = { space: 'pixel_resized', truthSpace: 'pixel_original', image: 0, column: '' } as const
