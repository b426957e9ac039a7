/** `rft plan`: how much memory a run needs, before it starts. */
import os from 'node:os'
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { InputError } from '../core/errors.ts'
import { styleFor } from '../metrics/style.ts'
import type { OpsDevice } from '../native/types.ts'
import { type GpuName, gpuMemory } from '../plan/devices.ts'
import type { PromptShape } from '../plan/prompts.ts'
import { assign, collect, oneOf, wholeNumber } from './options.ts'
import type { Place } from './plan/table.ts'
import type { Context } from './program.ts'

interface PlanFlags {
  set?: string[]
  device?: GpuName
  promptTokens?: number
  image?: { width: number; height: number }[]
  groupSize?: number
  promptsPerStep?: number
  maxNewTokens?: number
  json?: boolean
  remedies?: boolean
}

const gpuNames = Object.keys(gpuMemory) as GpuName[]

export function addPlan(program: Command, context: Context): void {
  program
    .command('plan <config>')
    .description('how much memory a run needs, before it starts; <config>: a run, a model folder or a config.json')
    .option('-s, --set <key=value>', 'override a setting, e.g. model.recompute=true; repeatable', collect)
    .option('--device <name>', `a GPU instead of this machine: ${gpuNames.join(', ')}`, oneOf(...gpuNames))
    .option('--prompt-tokens <n>', 'longest prompt, images included; instead of the sizes of the data', wholeNumber(1))
    .option('--image <WxH>', 'an image of each prompt, before resizing; repeatable', imageSize)
    .option('--group-size <n>', 'same as --set rollout.groupSize=<n>', wholeNumber(1))
    .option('--prompts-per-step <n>', 'same as --set rollout.promptsPerStep=<n>', wholeNumber(1))
    .option('--max-new-tokens <n>', 'same as --set rollout.maxNewTokens=<n>', wholeNumber(1))
    .option('--remedies', 'try what would lower the peak even when it fits')
    .option('--json', 'as JSON, bytes')
    .addHelpText(
      'after',
      `
Examples:
  rft plan train.yaml
  rft plan train.yaml --device h200 --set model.recompute=true
  rft plan models/Qwen2.5-VL-3B-Instruct --prompt-tokens 3000 --image 1280x960 --group-size 8

One whole step runs without touching memory, as it would on the device of the run; --device means CUDA, so bf16 unless\nmodel.dtype says f32: the longest prompts of the data, every completion as long as allowed.
No weights are needed, config.json is enough. The memory of Node itself (rows, decoded images) comes on top.
Ends with 1 when the run does not fit.`,
    )
    .action((path: string, flags: PlanFlags) => runPlan(path, flags, context))
}

async function runPlan(path: string, flags: PlanFlags, context: Context): Promise<void> {
  const { io } = context
  const { openPlanSource, planStep } = await import('../plan/plan.ts')
  const { openSubject } = await import('../plan/subject.ts')
  const { findRemedies } = await import('../plan/remedies.ts')
  const { fitLine, planSummary, planTable, remedyTable } = await import('./plan/table.ts')
  const { config, model } = await openSubject(path, overrides(flags))
  const source = await openPlanSource(config, { model, prompt: promptShape(flags, config.data.maxPromptTokens) })
  const plan = await planStep(config, source)
  const place = await placeOf(flags.device, plan.model.device)
  const fits = plan.reserved <= place.capacity
  const remedies = fits && !flags.remedies ? null : await findRemedies(config, source, plan)
  if (!fits) context.exitCode = 1
  if (flags.json) {
    io.stdout.write(
      `${JSON.stringify({ ...plan, phases: Object.fromEntries(plan.phases), place, fits, remedies }, null, 2)}\n`,
    )
    return
  }
  const style = styleFor(io.stdout, io.environment)
  io.stdout.write(planSummary(plan) + planTable(plan, style))
  io.stdout.write(`\n${fitLine(plan, place, style)}`)
  if (remedies) io.stdout.write(remedyTable(remedies, place.capacity, style))
}

function overrides(flags: PlanFlags): string[] {
  return [
    ...(flags.set ?? []),
    ...assign('device', flags.device && 'cuda'),
    ...assign('rollout.groupSize', flags.groupSize),
    ...assign('rollout.promptsPerStep', flags.promptsPerStep),
    ...assign('rollout.maxNewTokens', flags.maxNewTokens),
  ]
}

/** `undefined`: as the data or the limits say. */
function promptShape({ promptTokens, image }: PlanFlags, longest: number): PromptShape | undefined {
  if (promptTokens === undefined && image === undefined) return undefined
  return { tokens: promptTokens ?? longest, images: image ?? [] }
}

/** The named GPU, or this machine's device of the run. @throws InputError for a run on CUDA where there is none. */
async function placeOf(gpu: GpuName | undefined, device: OpsDevice): Promise<Place> {
  if (gpu) return { name: gpu, capacity: gpuMemory[gpu], free: null }
  if (device === 'cpu') return thisMachine()
  const { native } = await import('../native/binding.ts')
  const found = native().info().cuda.devices[0]
  if (!found) throw new InputError('device', 'cpu, or a GPU named by --device', 'cuda', 'This machine has no GPU')
  return { name: found.name, capacity: found.totalMemory, free: null }
}

function thisMachine(): Place {
  const limit = process.constrainedMemory() ?? 0
  const total = os.totalmem()
  const capacity = limit > 0 && limit < total ? limit : total
  return { name: 'this machine', capacity, free: Math.min(os.freemem(), capacity) }
}

function imageSize(text: string, before: { width: number; height: number }[] = []) {
  const found = /^(\d{1,6})x(\d{1,6})$/.exec(text)
  if (!found) throw new InvalidArgumentError('Expected WIDTHxHEIGHT in pixels, e.g. 1280x960.')
  return [...before, { width: Number(found[1]), height: Number(found[2]) }]
}
