/** Datasets: reading, checking, and the order of rows. */
export { blindRows } from './blind.ts'
export { checkRows, type RowsSummary, requireSound } from './check.ts'
export { type FormatName, formats } from './formats/index.ts'
export { loadRows, type ReadOptions, readRow, readRows } from './rows.ts'
export { createSampler, type Sampler, type SamplerState } from './sampler.ts'
