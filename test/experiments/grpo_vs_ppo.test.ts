import { expect, it } from 'vitest'
import { grpoVsPpo } from '../../src/experiments/grpo_vs_ppo.ts'
import { armConfig } from '../../src/experiments/settings.ts'
import { answers, records, results } from './recorded.ts'

const place = { dir: 'arm', data: 'd', model: 'm', seed: 0, threads: 0, steps: 10 }

it('gives both arms the same budget', () => {
  const [grpo, ppo] = grpoVsPpo.arms(10).map((arm) => armConfig(arm, place))
  expect(ppo!.algorithm.trainer).toBe('ppo')
  for (const section of ['rollout', 'optimizer', 'train', 'rewards'] as const)
    expect(ppo![section]).toEqual(grpo![section])
  for (const key of ['kl', 'updatesPerRollout', 'miniBatches', 'loss'] as const)
    expect(ppo!.algorithm[key]).toEqual(grpo!.algorithm[key])
  expect(grpo!.algorithm.kl.coef).toBeGreaterThan(0)
})

it('says who is ahead, or that it does not show, and what the critic cost', () => {
  const conclude = (grpo: number, ppo: number) =>
    grpoVsPpo.conclude(
      results(grpoVsPpo, {
        grpo: { answers: { arithmetic: answers(grpo) }, records: records({ step_time: [1, 1] }) },
        ppo: { answers: { arithmetic: answers(ppo) }, records: records({ step_time: [1.8, 1.8] }) },
      }),
    ).answer
  expect(conclude(80, 60)).toBe(
    'GRPO ends 20.0 points (12.1 to 27.9) above PPO. A step with the critic takes 1.8 times as long.',
  )
  expect(conclude(60, 80)).toMatch(/^PPO ends 20.0 points \(12.1 to 27.9\) above GRPO\./)
  expect(conclude(60, 61)).toMatch(
    /^No difference seen between GRPO and PPO: the first minus the second is -1.0 points \(-3.0 to 1.0\)\./,
  )
})
