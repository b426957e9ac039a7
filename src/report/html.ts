/**
 * Text into HTML. Everything a model or a dataset wrote passes through `escape`; what cannot be shown, or would turn
 * the reading direction, becomes a visible code point.
 */

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

// Control characters but tab and line feed, lone surrogates, direction marks, characters without width.
const invisible =
  /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/gu

export function escapeHtml(text: string): string {
  return text
    .replaceAll(/[&<>"']/g, (character) => entities[character]!)
    .replaceAll(invisible, (character) =>
      character === '\n' || character === '\t' ? character : `<i class="code">${codePoint(character)}</i>`,
    )
}

/** For attributes and SVG titles, where no markup may stand. */
export function escapeText(text: string): string {
  return text
    .replaceAll(invisible, (character) => (character === '\n' || character === '\t' ? character : codePoint(character)))
    .replaceAll(/[&<>"']/g, (character) => entities[character]!)
}

const codePoint = (character: string) => `U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`

/** The start of a text of unbounded length, and how much was left out. */
export function clip(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit)} ... (${text.length - limit} more characters)`
}
