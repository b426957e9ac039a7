/**
 * The text of an answer before it is read: one spelling for signs, spaces, separators of thousands and words.
 * Every step is a linear scan.
 */

/** Longer answers are only compared as texts. */
export const longestAnswer = 1_000

const signs = new Map(
  Object.entries({
    '−': '-',
    '–': '-',
    '—': '-',
    '×': '*',
    '·': '*',
    '⋅': '*',
    '∗': '*',
    '÷': '/',
    '∶': ':',
    '：': ':',
    '，': ',',
    '；': ';',
    '（': '(',
    '）': ')',
    '≤': '\\le ',
    '⩽': '\\le ',
    '≥': '\\ge ',
    '⩾': '\\ge ',
    '≠': '\\ne ',
    '≈': '\\approx ',
    '∪': '\\cup ',
    '∩': '\\cap ',
    '∈': '\\in ',
    '∞': '\\infty ',
    π: '\\pi ',
    '√': '\\sqrt ',
    '±': '\\pm ',
    '°': '^\\circ ',
    '²': '^2 ',
    '³': '^3 ',
    '½': '\\frac{1}{2}',
    ℝ: '\\mathbb{R}',
    '\u00a0': ' ',
    '\u2009': ' ',
    '\u202f': ' ',
    '​': '',
  }),
)

/** One spelling for what Unicode, TeX and JSON offer several of. */
export function cleanUp(answer: string): string {
  let text = ''
  for (const character of answer) text += signs.get(character) ?? character
  text = text.replace(/<\|\w{1,20}\|>/g, ' ').replaceAll('\\$', ' ')
  text = text.replace(
    /(?<!\\)\\\\(?=(?:[dtc]?frac|boxed|le|ge|leq|geq|left|right|text|sqrt|pi|cdot|times|in|cup|infty)\b)/g,
    '\\',
  )
  return trimEnds(joinThousands(text))
}

/** `12{,}000`, `12,\!000` and `12,\! 000` say that the comma is none between items. */
function joinThousands(text: string): string {
  return text.replace(/(\d) ?(?:\{, ?\}|,\\!) ?(?=\d{3}(?!\d))/g, '$1').replaceAll('\\!', '')
}

/** Spaces, quotes and stops around an answer say nothing. A closing period after a digit is no decimal point. */
function trimEnds(text: string): string {
  let begin = 0
  let end = text.length
  while (begin < end && ' \t\r\n"\'*`'.includes(text[begin]!)) begin++
  while (end > begin && ' \t\r\n"\'*`.,;:!?~'.includes(text[end - 1]!)) {
    if (text[end - 1] === '!' && /[\w)}\]]/.test(text[end - 2] ?? '')) break
    end--
  }
  return text.slice(begin, end)
}

const dropped =
  /\\(?:left|right|displaystyle|textstyle|bigl?|bigr?|Bigl?|Bigr?|quad|qquad)(?![A-Za-z])|\\[,;: !]|[\s$~]/g

/**
 * The letters of an answer, for answers that are words: `\text{(C)}`, `(C)` and `C` give the same, and so do
 * `\text{Odd}` and `odd`. A single letter keeps its case.
 */
export function plainText(answer: string): string {
  let text = answer.replace(/\\(?:text|textbf|textit|mathrm|mathbf|mathit|operatorname|mbox)(?![A-Za-z])/g, '')
  text = trimEnds(text.replace(dropped, '').replaceAll('\\dfrac', '\\frac').replaceAll('\\tfrac', '\\frac'))
  text = text.replace(/\{([A-Za-z0-9()]+)\}/g, '$1')
  if (/^\([A-Za-z]\)$/.test(text)) text = text.slice(1, -1)
  return /^[A-Za-z]{2,}$/.test(text) ? text.toLowerCase() : text
}
