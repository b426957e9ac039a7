/** The benchmarks. A new one is a file with `defineBenchmark(...)` and one line here and in names.ts. */
import type { Benchmark } from './define.ts'
import { mathverse } from './mathverse.ts'
import { mathvision } from './mathvision.ts'
import { mathvista } from './mathvista.ts'
import { mmmu } from './mmmu.ts'
import type { BenchmarkName } from './names.ts'
import { clevrCount, geoqa } from './r1v.ts'
import { refcoco } from './refcoco.ts'

export type { Benchmark } from './define.ts'
export { readBenchmark } from './read.ts'

export const benchmarks: Readonly<Record<BenchmarkName, Benchmark>> = {
  ...{ mathvista, mathvision, mathverse, mmmu, geoqa, 'clevr-count': clevrCount, refcoco },
}
