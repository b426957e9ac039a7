/**
 * TensorBoard event files, written by hand: a TFRecord is length, masked CRC of the length, data, masked CRC of the data;
 * the data is an `Event` message of tensorflow/core/util/event.proto, of which scalars need a handful of fields.
 *
 * Tags are those of transformers' own callback: `train/reward`, `eval/accuracy`. A resumed run gets a file of its own
 * that begins with a session log, upon which TensorBoard drops what other files say about later steps.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { maskedCrc32c } from './crc32c.ts'
import type { MetricsSink } from './types.ts'

export const tensorboardFolder = 'tensorboard'

/** Field numbers of `Event`, `Summary`, `Summary.Value` and `SessionLog`. */
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 }
const SUMMARY = { value: 1 }
const VALUE = { tag: 1, simpleValue: 2 }
const SESSION = { status: 1, start: 1 }

/**
 * Appends to a new file in `<run>/tensorboard`.
 *
 * @param resumedStep the step a run continues from.
 * @param now seconds since 1970
 */
export function tensorboardSink(
  runDir: string,
  resumedStep?: number,
  now: () => number = () => Date.now() / 1000,
): MetricsSink {
  const folder = join(runDir, tensorboardFolder)
  mkdirSync(folder, { recursive: true })
  const begun = now()
  const name = `events.out.tfevents.${String(Math.floor(begun)).padStart(10, '0')}.${hostname()}.${process.pid}`
  const file = openSync(join(folder, freshName(name)), 'ax')
  let open = true
  const write = (event: Uint8Array) => {
    writeSync(file, record(event))
  }
  const restart = (step: number) => {
    const session = message([varint(SESSION.status, SESSION.start)])
    write(message([double(EVENT.wallTime, now()), varint(EVENT.step, step), bytes(EVENT.sessionLog, session)]))
  }
  write(message([double(EVENT.wallTime, begun), bytes(EVENT.fileVersion, Buffer.from('brain.Event:2'))]))
  if (resumedStep !== undefined) restart(resumedStep + 1)
  return {
    step({ step, ...values }) {
      const summary = Object.entries(values).map(([tag, value]) =>
        bytes(SUMMARY.value, message([bytes(VALUE.tag, Buffer.from(tagOf(tag))), float(VALUE.simpleValue, value)])),
      )
      write(message([double(EVENT.wallTime, now()), varint(EVENT.step, step), bytes(EVENT.summary, message(summary))]))
    },
    rewind: (step) => restart(step + 1),
    close() {
      if (open) closeSync(file)
      open = false
    },
  }
}

let opened = 0
/** Several runs of one process within one second get files of their own. */
const freshName = (name: string) => `${name}.${opened++}`

const tagOf = (name: string) => (name.startsWith('eval_') ? `eval/${name.slice('eval_'.length)}` : `train/${name}`)

/** One TFRecord. */
export function record(data: Uint8Array): Buffer {
  const out = Buffer.alloc(data.length + 16)
  out.writeBigUInt64LE(BigInt(data.length), 0)
  out.writeUInt32LE(maskedCrc32c(out.subarray(0, 8)), 8)
  out.set(data, 12)
  out.writeUInt32LE(maskedCrc32c(data), 12 + data.length)
  return out
}

// ------------------------------------------------------------------ protobuf

const message = (fields: readonly Buffer[]) => Buffer.concat(fields)

function key(field: number, wireType: number): Buffer {
  return rawVarint((field << 3) | wireType)
}

function rawVarint(value: number): Buffer {
  const out: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) | 0x80)
  out.push(rest)
  return Buffer.from(out)
}

const varint = (field: number, value: number) => Buffer.concat([key(field, 0), rawVarint(value)])
const bytes = (field: number, value: Uint8Array) => Buffer.concat([key(field, 2), rawVarint(value.length), value])

function double(field: number, value: number): Buffer {
  const raw = Buffer.alloc(8)
  raw.writeDoubleLE(value)
  return Buffer.concat([key(field, 1), raw])
}

function float(field: number, value: number): Buffer {
  const raw = Buffer.alloc(4)
  raw.writeFloatLE(value)
  return Buffer.concat([key(field, 5), raw])
}
