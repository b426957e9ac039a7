/**
 * The byte-level alphabet of GPT-2 style tokenizers: each of the 256 bytes is written as one printable character.
 * Printable Latin-1 bytes stand for themselves, the others for U+0100 onwards in order.
 */

/** Character of each byte. */
export const byteToChar: readonly string[] = buildAlphabet()

const charToByte = new Map(byteToChar.map((char, byte) => [char, byte]))

/** Bytes a vocabulary entry stands for. Characters outside the alphabet are taken as UTF-8. */
export function tokenToBytes(token: string): Uint8Array {
  const bytes = Array.from(token, (char) => charToByte.get(char))
  return bytes.every((byte) => byte !== undefined) ? Uint8Array.from(bytes) : new TextEncoder().encode(token)
}

/** Text as its bytes in the alphabet. */
export function textToAlphabet(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => byteToChar[byte]).join('')
}

function buildAlphabet(): string[] {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    return String.fromCharCode(printable ? byte : next++)
  })
}
