/** The sections that R1-VL asks for: `### Image Description:`, `### Rationales:`, `### Step n:`, `### The final answer is:`. */

const sections = ['### Image Description:', '### Rationales:', '### Step 1:', '### The final answer is:']
const finalAnswer = '### The final answer is:'
const mostSteps = 200

interface Step {
  number: number
  /** Where its heading begins. */
  at: number
  body: string
  /** Index behind its last character. */
  end: number
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
      end: end < 0 ? text.length : end,
    })
    if (found.length === mostSteps) break
  }
  return found
}

/** The lines of a text that are not blank, each as a step; a text of more lines has its rest in the last one. */
export function linesOf(text: string): Pick<Step, 'body' | 'end'>[] {
  const found: Pick<Step, 'body' | 'end'>[] = []
  for (let begin = 0; begin < text.length; ) {
    const newline = found.length + 1 < mostSteps ? text.indexOf('\n', begin) : -1
    const end = newline < 0 ? text.length : newline
    const body = text.slice(begin, end)
    if (body.trim() !== '') found.push({ body, end })
    begin = end + 1
  }
  return found
}

/** R1-VL's step validity: all sections there, steps numbered 1..n in order, the final answer behind the last one. */
export function hasValidSteps(text: string): boolean {
  if (!sections.every((section) => text.includes(section))) return false
  const steps = stepsOf(text)
  return steps.every(({ number }, k) => number === k + 1) && text.indexOf(finalAnswer) > steps.at(-1)!.at
}
