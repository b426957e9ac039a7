/**
 * `samples.jsonl`: completions worth looking at, with the images of their prompts, which are copied once each into
 * `samples/` so that the run folder is complete in itself.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FinishReason } from '../core/types.ts'
import { openLines, readLines } from './lines.ts'

export const samplesFileName = 'samples.jsonl'

export interface SampleCompletion {
  text: string
  /** Per reward function; `null` = it had no value. */
  rewards: Record<string, number | null>
  /** The weighted sum. */
  total: number | null
  advantage: number | null
  finish: FinishReason
}

export interface SampleRecord {
  readonly step: number
  /** The row, e.g. `train.jsonl:12`. */
  id: string
  problem: string
  /** Ground truth. */
  answer: string | null
  /** Paths relative to the run folder, or data URIs. */
  images: string[]
  completions: SampleCompletion[]
}

export interface SamplesWriter {
  /** @param images encoded image files, as the dataset has them */
  write(sample: Omit<SampleRecord, 'images'>, images: readonly Uint8Array[]): void
  close(): void
}

/** @param resumedStep the step a run continues from: later samples are cut. Without it the file starts empty. */
export function samplesWriter(runDir: string, resumedStep?: number): SamplesWriter {
  const lines = openLines<SampleRecord>(join(runDir, samplesFileName), resumedStep)
  return {
    write: (sample, images) => lines.write({ ...sample, images: images.map((bytes) => store(runDir, bytes)) }),
    close: () => lines.close(),
  }
}

export const readSamples = (runDir: string): SampleRecord[] => readLines<SampleRecord>(join(runDir, samplesFileName))

function store(runDir: string, bytes: Uint8Array): string {
  const path = `samples/${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}.img`
  mkdirSync(join(runDir, 'samples'), { recursive: true })
  if (!existsSync(join(runDir, path))) writeFileSync(join(runDir, path), bytes)
  return path
}
