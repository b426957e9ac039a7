/** The sections that R1-VL asks for: `### Image Description:`, `### Rationales:`, `### Step n:`, `### The final answer is:`. */

const sections = ['### Image Description:', '### Rationales:', '### Step 1:', '### The final answer is:']
const finalAnswer = '### The final answer is:'
const mostSteps = 200

interface Step {
  number: number
  /** Where its heading begins. */
  at: number
  body: string
}

/** The steps in order of appearance, each with its text up to the next heading. */
export function stepsOf(text: string): Step[] {
  const found: Step[] = []
  for (const match of text.matchAll(/### Step (\d{1,4}):/g)) {
    const begin = match.index + match[0].length
    const end = text.indexOf('\n###', begin)
    found.push({
      number: Number(match[1]),
      at: match.index,
      body: text.slice(begin, end < 0 ? text.length : end).trim(),
    })
    if (found.length === mostSteps) break
  }
  return found
}

/** R1-VL's step validity: all sections there, steps numbered 1..n in order, the final answer behind the last one. */
export function hasValidSteps(text: string): boolean {
  if (!sections.every((section) => text.includes(section))) return false
  const steps = stepsOf(text)
  return steps.every(({ number }, k) => number === k + 1) && text.indexOf(finalAnswer) > steps.at(-1)!.at
}
