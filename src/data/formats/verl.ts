/**
 * verl rows: `prompt` is a list of messages with `<image>` where an image goes, in any of them; the ground truth is
 * `reward_model.ground_truth`. `data_source`, `ability`, `extra_info` and `reward_model` itself reach the rewards.
 */
import { InputError } from '../../core/errors.ts'
import { asAnswer, column, defineFormat, firstColumn, readImages } from './define.ts'
import { readConversation, requireUserTurn } from './messages.ts'

export const verl = defineFormat({
  name: 'verl',
  columns: 'prompt, reward_model, images',

  detect: (row) => Array.isArray(column(row, 'prompt')) && typeof column(row, 'reward_model') === 'object',

  read(row, where) {
    const imageColumn = firstColumn(row, ['images', 'image']) ?? 'images'
    const given = readImages(column(row, imageColumn), `${where} ${imageColumn}`)
    const at = `${where} prompt`
    const { messages, images } = readConversation(column(row, 'prompt'), given, at, { placeholders: true })
    requireUserTurn(messages, at)
    const videos = column(row, 'videos')
    if (Array.isArray(videos) && videos.length > 0)
      throw new InputError(`${where} videos`, 'no videos', `${videos.length}`, 'Only text and images are read.')
    const { ground_truth } = (column(row, 'reward_model') ?? {}) as { ground_truth?: unknown }
    return { messages, images, answer: asAnswer(ground_truth), target: null, used: ['prompt', imageColumn, 'videos'] }
  },
})
