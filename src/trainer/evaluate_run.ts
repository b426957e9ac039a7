/** Evaluation on the held-out rows of a run. */

import type { Prompt } from '../core/types.ts'
import { type Evaluation, evaluate } from './evaluate.ts'
import type { Run } from './run.ts'

/** Evaluates on the run's held-out rows as `eval` says. */
export function evaluateRun(run: Run, options: { blind?: boolean; signal?: AbortSignal } = {}): Promise<Evaluation> {
  const { config, policy, rewards, sampling, heldOut } = run
  const rows = config.eval.rows > 0 ? heldOut.slice(0, config.eval.rows) : heldOut
  async function* prompts(): AsyncGenerator<Prompt> {
    for (let begin = 0; begin < rows.length; begin += 16)
      yield* await Promise.all(rows.slice(begin, begin + 16).map((row) => run.toPrompt(row)))
  }
  const maxNewTokens = config.eval.maxNewTokens ?? config.rollout.maxNewTokens
  return evaluate(prompts(), { policy, rewards, sampling, maxNewTokens, ...options })
}
