/** `tag_count`: an equal share for each tag that occurs exactly once (open-r1), so that a format can be learnt in parts. */

import { texts } from '../core/parameters.ts'
import { defineReward } from './define.ts'

export const tagCount = defineReward({
  name: 'tag_count',
  description: 'The share of the tags that occur exactly once.',
  parameters: {
    tags: texts(['<think>', '</think>', '<answer>', '</answer>'], 'The tags, each as it must stand in the text.'),
  },
  score({ completion }, { tags }) {
    if (tags.length === 0) return null
    const once = tags.filter((tag) => {
      const first = completion.indexOf(tag)
      return first >= 0 && completion.lastIndexOf(tag) === first
    })
    return once.length / tags.length
  },
})
