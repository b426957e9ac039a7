/**
 * `report.html`: one self-contained page about a run, made from the files in its folder alone. It holds no script and
 * forbids every outside resource, so that nothing a model wrote can do more than be read.
 */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { parse } from 'yaml'
import { resolvedConfigName } from '../config/load.ts'
import { readMetrics } from '../metrics/jsonl.ts'
import { readSamples } from '../metrics/samples.ts'
import { drawCharts } from './charts.ts'
import { escapeHtml, escapeText } from './html.ts'
import { drawSamples, spread } from './samples.ts'
import { style } from './style.ts'
import { drawResults, drawSummary, drawTiles, numberIn } from './summary.ts'

const defaultSamples = 24

/**
 * Reads `metrics.jsonl`, `samples.jsonl`, `report.json` and `config.resolved.yaml`, as far as they are there.
 * @returns the path of the page
 * @throws InputError when a file is there but broken
 */
export async function writeReport(runDir: string): Promise<string> {
  const file = join(runDir, 'report.html')
  const page = await drawPage(runDir)
  await writeFile(`${file}.tmp`, page)
  await rename(`${file}.tmp`, file)
  return file
}

async function drawPage(runDir: string): Promise<string> {
  const records = readMetrics(runDir)
  const results = await readResults(join(runDir, 'report.json'))
  const configText = await readOptional(join(runDir, resolvedConfigName))
  const config = facts(configText)
  const samples = await drawSamples(runDir, spread(readSamples(runDir), config.samples))
  const charts = drawCharts(records, numberIn(results, 'blindAccuracy'))
  const name = basename(resolve(runDir))
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${escapeText(name)} · rft</title><style>${style}</style></head><body>
<header><h1>${escapeText(name)}</h1><p>${escapeText(config.line)}</p>${drawTiles(records, results, config.steps)}</header>
<h2>Curves</h2><div class="charts">${charts || '<p class="empty">No metrics yet.</p>'}</div>
<h2>Samples</h2>${samples || '<p class="empty">No samples yet.</p>'}
<h2>Summary</h2><div class="tables">${drawSummary(records)}${drawResults(results)}</div>
${configText === null ? '' : `<h2>Configuration</h2><details class="config"><summary>${resolvedConfigName}</summary><pre>${escapeHtml(configText)}</pre></details>`}
</body></html>
`
}

/** What the page says about the run; a configuration that lacks it is no error here. */
function facts(configText: string | null): { line: string; steps: number | null; samples: number } {
  const config: unknown = configText === null ? null : parse(configText)
  const at = (...path: string[]) =>
    path.reduce<unknown>(
      (node, key) => (typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[key] : undefined),
      config,
    )
  const parts = [
    ['', at('algorithm', 'trainer')],
    ['model ', at('model', 'path')],
    ['seed ', at('seed')],
  ].flatMap(([before, value, after]) =>
    value === undefined || value === null ? [] : [`${before}${String(value)}${after ?? ''}`],
  )
  const [steps, samples] = [at('train', 'steps'), at('report', 'samples')]
  return {
    line: parts.join(' · '),
    steps: typeof steps === 'number' ? steps : null,
    samples: typeof samples === 'number' ? samples : defaultSamples,
  }
}

async function readResults(file: string): Promise<Record<string, unknown>> {
  const text = await readOptional(file)
  const value: unknown = text === null ? {} : JSON.parse(text)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

async function readOptional(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
