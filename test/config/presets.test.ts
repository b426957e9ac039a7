import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/load.ts'
import { presetNames, presets } from '../../src/config/presets.ts'

const minimal = 'run: { dir: r }\nmodel: { path: m }\ndata: { train: [t.jsonl] }\ntrain: { steps: 3 }\n'
const load = (text: string, sets: string[] = []) => parseConfig(minimal + text, 'config.yaml', sets)
const withPreset = (name: string, more = '') => load(`algorithm: { preset: ${name}${more} }`)

describe('presets', () => {
  it.each(presetNames)('%s is a complete configuration that differs from the defaults in what it names', (name) => {
    const { config, origin } = withPreset(name)
    const loss = presets[name].settings.algorithm.loss as Record<string, unknown>
    expect(config.algorithm.loss).toMatchObject(loss)
    expect(origin('algorithm.loss.clipHigh') === 'default').toBe(!('clipHigh' in loss))
    if (!('clipHigh' in loss)) return
    expect(origin('algorithm.loss.clipHigh')).toBe(`preset ${name}: ${presets[name].source}`)
  })

  it('the keys of the user win, one by one', () => {
    const { config, origin } = load(
      'algorithm: { preset: dapo, loss: { clipHigh: 0.3 } }\nrollout: { groupSize: 4, maxNewTokens: 8192 }',
      ['algorithm.shaping.overlongCache=16'],
    )
    expect(config.algorithm.loss).toMatchObject({ kind: 'clip', clipLow: 0.2, clipHigh: 0.3 })
    expect(config.rollout).toMatchObject({ groupSize: 4, maxNewTokens: 8192 })
    expect(config.algorithm.shaping.overlongCache).toBe(16)
    expect(origin('algorithm.loss.clipHigh')).toBe('config.yaml:5:46')
    expect(origin('algorithm.shaping.overlongCache')).toBe('--set')
  })

  it('a loss of another kind brings its own constants', () => {
    const { config } = withPreset('gspo', ', loss: { kind: sapo }')
    expect(config.algorithm.loss).toEqual({
      ...{ kind: 'sapo', tauPositive: 1, tauNegative: 1.05, aggregation: 'sequence-mean' },
    })
    expect(config.algorithm.miniBatches).toBe(4)
  })

  it('PPO is one line away from GRPO', () => {
    const { config } = load('', ['algorithm.trainer=ppo'])
    expect(config).toEqual({ ...load('').config, algorithm: { ...load('').config.algorithm, trainer: 'ppo' } })
  })

  it('an unknown one is refused with the closest name', () => {
    expect(() => withPreset('dappo')).toThrow('Did you mean "dapo"?')
  })
})

describe('combinations without a meaning are refused with the reason', () => {
  it.each([
    ['trainer: ppo, advantage: { kind: rloo }', 'algorithm.advantage.kind: expected gae with a critic'],
    ['advantage: { kind: gae }', 'algorithm.trainer: expected ppo with gae'],
    ['trainer: ppo, loss: { kind: gspo }', 'algorithm.loss.kind: expected a loss of tokens'],
    ['loss: { kind: gmpo }, entropy: { topShare: 0.2 }', 'algorithm.entropy.topShare: expected 1 with gmpo'],
    ['loss: { kind: gspo, aggregation: sequence-sum }', 'the loss is luspo'],
    ['kl: { coef: 0.1, estimator: k1 }', 'algorithm.kl.estimator: expected k2, k3 or k3-k2 in the loss'],
    ['kl: { coef: 0.1, estimator: k3-k2, place: reward }', 'A reward has no gradient'],
    ['kl: { coef: 0.1, place: reward, biasCorrected: true }', 'algorithm.kl.biasCorrected: expected false'],
    [
      'kl: { coef: 0.1, biasCorrected: true }, loss: { kind: gspo }',
      'algorithm.kl.biasCorrected: expected false with gspo',
    ],
    ['kl: { coef: 0.1, place: reward, schedule: accuracy, accuracyOver: group }', 'need one price'],
    ['shaping: { overlongCache: 300 }', 'at most rollout.maxNewTokens (256)'],
    ['rolloutCorrection: { level: token, low: 3 }', 'at most rolloutCorrection.high (2)'],
    ['entropy: { min: 2 }', 'at most entropy.max (1)'],
    ['trainer: ppo }\nmethods: [{ name: replay_buffer }]\nreport: { samples: 1', 'no method that replays'],
  ])('%s', (algorithm, message) => {
    expect(() => load(`algorithm: { ${algorithm} }`)).toThrow(message)
  })
})
