import { describe, expect, it } from 'vitest'
import { configJsonSchema, explain, knownKeys, leafKeys } from '../../src/config/explain.ts'

describe('explain', () => {
  it.each([
    ['rollout.groupSize', 'whole number from 1', 8],
    ['algorithm.trainer', 'one of grpo, ppo, sft', 'grpo'],
    ['algorithm.loss.clipLow', 'number from 0 to 1', 0.2],
    ['rollout.topP', 'number above 0 to 1', 1],
    ['data.system', 'text or null', null],
    ['optimizer.noDecay', 'list of text', ['norm', 'bias']],
    ['data.shuffle', 'true or false', true],
    ['rewards.0.weight', 'number', 1],
    ['rewards.file', 'text', undefined],
  ])('%s is %s', (key, type, value) => {
    expect(explain(key)).toMatchObject({ key, type, keys: [] })
    expect(explain(key).default).toEqual(value)
  })

  it('knows what is required', () => {
    expect(explain('model.path').required).toBe(true)
    expect(explain('train.steps').required).toBe(true)
    expect(explain('model.dtype').required).toBe(false)
    expect(explain('algorithm').required).toBe(false)
  })

  it('lists what a section holds', () => {
    expect(explain('').keys).toContain('optimizer')
    expect(explain('algorithm.loss').keys.slice(0, 3)).toEqual(['kind', 'clipLow', 'clipHigh'])
    expect(explain('rewards').keys).toEqual([
      ...['name', 'path', 'kind', 'template', 'words', 'stepToken', 'separator', 'system', 'output', 'over'],
      ...[
        'weight',
        'timeoutSeconds',
        'as',
        'parameters',
        'judge',
        'maxNewTokens',
        'file',
        'url',
        'protocol',
        'batch',
        'concurrency',
      ],
      ...['retries', 'backoffSeconds', 'requestsPerSecond', 'tokenVariable'],
    ])
    expect(knownKeys(['rewards', 0])).toContain('timeoutSeconds')
  })

  it('says where a default depends on the kind of a section', () => {
    expect(explain('algorithm.loss.kind').type).toMatch(/^one of clip, clip-cov, .*vespo$/)
    expect(explain('algorithm.loss.clipLow').about).toContain('Default: clip 0.2, clip-cov 0.2, gspo 0.0003')
  })

  it('documents every key', () => {
    const keys = leafKeys()
    expect(keys.length).toBeGreaterThan(50)
    for (const key of keys) expect(explain(key).about, key).toMatch(/^[A-Z0-9a-z].{8,}$/s)
  })

  it('suggests the key that was meant', () => {
    expect(() => explain('rollout.groupsize')).toThrow('Did you mean "rollout.groupSize"?')
    expect(() => explain('rolout.groupSize')).toThrow('Did you mean "rollout"?')
    expect(() => explain('train.steps.x')).toThrow(/expected a configuration key/)
    expect(() => explain('__proto__')).toThrow(/Known: seed/)
  })

  it('gives editors a JSON schema', () => {
    expect(configJsonSchema()).toMatchObject({ type: 'object', additionalProperties: false })
  })
})
