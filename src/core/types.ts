/** Records that travel between the layers of src/. */

export type FinishReason = 'eos' | 'stop' | 'length' | 'aborted'

export type Role = 'system' | 'user' | 'assistant' | 'tool'
export type ContentPart = { type: 'text'; text: string } | { type: 'image' }

/** Image parts refer to the row's images in order of appearance. */
export interface Message {
  role: Role
  content: string | ContentPart[]
}

/** Bytes that stay in the file of their dataset until they are asked for. */
export interface StoredBytes {
  /** Their place: equal keys have equal bytes. */
  readonly key: string
  readonly size: number
  /** @throws InputError when the file can no longer be read. */
  read(): Promise<Uint8Array>
}

/** Where an image's encoded bytes come from. Relative paths are resolved by the data reader. */
export type ImageRef = { path: string } | { bytes: Uint8Array; path?: string } | { stored: StoredBytes; path?: string }

/** One dataset row after its format was read. */
export interface Row {
  /** `file.jsonl:12`, used in every message about this row. */
  id: string
  /** The prompt; ends with a user turn. */
  messages: Message[]
  images: ImageRef[]
  /** Ground truth; `null` when the row has none. */
  answer: string | null
  /** A completion to imitate (SFT); `null` for prompt-only rows. */
  target: string | null
  /** Every column the format does not use, for reward functions. */
  columns: Readonly<Record<string, unknown>>
}

export interface Size {
  width: number
  height: number
}

/** How large an image is, in pixels. */
export interface ImageSizes {
  /** As the file has it, turned upright. */
  original: Size
  /** As the model saw it. */
  resized: Size
}

/** An image ready for the vision tower. */
export interface ProcessedImage {
  /** (P, patchDim) */
  patches: Float32Array
  /** t, h, w in patches. */
  grid: [number, number, number]
  /** Content hash: equal keys have equal patches. */
  key: string
  sizes: ImageSizes
}

/** A prompt ready for the engine. */
export interface Prompt {
  row: Row
  /** After placeholder expansion. */
  tokens: Int32Array
  /** (3, T) */
  positionIds: Int32Array
  images: ProcessedImage[]
  /** Token rows that hold image features, in image order. */
  imageRows: Int32Array
  /** Position of the first token after the prompt. */
  nextPosition: number
}

export interface Completion {
  tokens: Int32Array
  logp: Float32Array
  entropy: Float32Array
  /** Decoded without special tokens. */
  text: string
  finish: FinishReason
}

/** What a step of a completion earned. */
export interface StepReward {
  /** Index in the completion's text behind the step's last character. */
  end: number
  reward: number
}

/** What rewards said of the steps of one completion, weighted, and the sum of their scores in its reward. */
export interface ProcessReward {
  steps: readonly StepReward[]
  score: number
}

/** G completions of one prompt with their rewards. */
export interface Group {
  prompt: Prompt
  completions: Completion[]
  /** Weighted sum per completion; `null` = no reward function had a value. */
  rewards: (number | null)[]
  /** Per reward function, per completion. */
  rewardParts: Record<string, (number | null)[]>
  /** Per completion, `null` where no reward looked at its steps; absent: none did anywhere. */
  process?: (ProcessReward | null)[]
  /** Variant of the prompt that each completion was sampled from; absent: all from the prompt as it is. */
  tags?: string[]
  /** Completions that a method cut, prompted again and had continued; absent: none. */
  continued?: boolean[]
  /** The log-probs of the sampler are not those of these completions after this prompt. */
  rescore?: boolean
}

/** Coefficients that a run adapts as it goes; `null` = constant, as the configuration says. Part of every checkpoint. */
export interface Controllers {
  klCoef: number | null
  entropyCoef: number | null
  /** Mean entropy of the last update, which the entropy coefficient answers to. */
  lastEntropy: number | null
}
