// `npm run check`: everything that must hold before a change lands. Installs, builds, lints, type-checks, runs all
// tests. A failing check does not hide the following ones. Ends with `N passed, N failed`: tests, and every other
// check that failed counted as one more failure.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { root, run, runBin, setup, step } from './setup.mjs'

const results = path.join(root, 'build', 'test-results.json')

const CHECKS = [
  ['format and lint (biome)', () => runBin('biome', 'ci', '.')],
  ['format of C++ (clang-format)', () => run(process.execPath, ['scripts/clang_format.mjs'])],
  ['types (tsc)', () => runBin('tsc', '-p', 'tsconfig.json')],
  ['documentation (typedoc)', () => runBin('typedoc', '--emit', 'none')],
  ['package (publint)', () => runBin('publint', '--pack', 'false', '--level', 'warning', '--strict')],
]

function runTests() {
  mkdirSync(path.dirname(results), { recursive: true })
  rmSync(results, { force: true })
  return runBin('vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${results}`)
}

/** Counts from vitest's report. A test file that could not be loaded has no tests in it and is one failure. */
function countTests() {
  let report
  try {
    report = JSON.parse(readFileSync(results, 'utf8'))
  } catch {
    return { passed: 0, failed: 1 }
  }
  const unloaded = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
  return { passed: report.numPassedTests, failed: report.numFailedTests + unloaded.length }
}

function main() {
  if (!setup({ tests: true })) return { passed: 0, failed: 1 }
  const broken = CHECKS.filter(([title, action]) => !step(title, action))
  const ok = step('tests (vitest)', runTests)
  const { passed, failed } = countTests()
  for (const [title] of broken) console.log(`FAILED: ${title}`)
  // vitest also fails for reasons that belong to no test, such as an unhandled rejection
  return { passed, failed: broken.length + (ok ? failed : Math.max(failed, 1)) }
}

const { passed, failed } = main()
console.log(`\n${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1
