/** Names of the benchmarks, for commands that load them only when one is asked for. */
export const benchmarkNames = [
  'mathvista',
  'mathvision',
  'mathverse',
  'mmmu',
  'geoqa',
  'clevr-count',
  'refcoco',
] as const
export type BenchmarkName = (typeof benchmarkNames)[number]
