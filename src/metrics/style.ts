/** Colour for terminals, and only there; `NO_COLOR` turns it off. */
import { styleText } from 'node:util'

type Format = Parameters<typeof styleText>[0]
export type Style = (format: Format, text: string) => string

/** A stream that may be a terminal; `process.stdout` is one. */
export interface Output {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

export function styleFor(output: Output, environment: NodeJS.ProcessEnv = process.env): Style {
  const coloured = output.isTTY === true && !environment.NO_COLOR && environment.TERM !== 'dumb'
  return coloured ? (format, text) => styleText(format, text, { validateStream: false }) : (_format, text) => text
}
