/**
 * Finds the final answer in a completion. Model output is hostile text: every function here is a fixed number of
 * `indexOf` scans, linear in the length of the text.
 */

/**
 * The answer a text gives: the inside of the last `<answer>..</answer>`, else of the last `\boxed{..}`, else everything
 * after the last `</think>` (the whole text when there is none).
 *
 * @example extractAnswer('<think>2+1</think><answer> 3 </answer>') // '3'
 */
export function extractAnswer(text: string): string {
  return (lastTagged(text) ?? lastBoxed(text) ?? afterThinking(text)).trim()
}

function lastTagged(text: string): string | null {
  const end = text.lastIndexOf('</answer>')
  if (end < 0) return null
  const start = text.lastIndexOf('<answer>', end)
  return start < 0 ? null : text.slice(start + '<answer>'.length, end)
}

/** Inside of the last `\boxed{..}` with balanced braces; `null` when it never closes. */
function lastBoxed(text: string): string | null {
  const start = text.lastIndexOf('\\boxed{')
  if (start < 0) return null
  const inside = start + '\\boxed{'.length
  for (let at = inside, depth = 1; at < text.length; at++) {
    const character = text[at]
    if (character === '\\') at++
    else if (character === '{') depth++
    else if (character === '}' && --depth === 0) return text.slice(inside, at)
  }
  return null
}

function afterThinking(text: string): string {
  const end = text.lastIndexOf('</think>')
  return end < 0 ? text : text.slice(end + '</think>'.length)
}
