/** Config -> the critic of a PPO run, and what a checkpoint keeps of it. */

import type { Companion, SavableModel } from '../checkpoint/run_checkpoint.ts'
import type { Config } from '../config/schema.ts'
import type { Model } from '../native/model.ts'
import { Optimizer } from '../native/optimizer.ts'
import type { Critic } from './critic.ts'
import { freezeBase, openModel } from './open_model.ts'

export interface OpenCritic extends Disposable {
  critic: Critic
  companion: Companion
}

/**
 * A critic of its own starts from the weights of `model.path` with a value head that says 0, so that the first
 * advantages are the returns. On a shared backbone it is the head of the policy.
 *
 * @param policy has a value head when the backbone is shared.
 * @returns `null` without a critic.
 */
export async function openCritic(policy: Model, config: Config): Promise<OpenCritic | null> {
  const { algorithm, model, optimizer: settings } = config
  if (algorithm.trainer !== 'ppo') return null
  if (algorithm.critic.backbone === 'shared')
    return {
      critic: { model: policy, optimizer: null },
      companion: { name: 'critic', model: only(policy, (name) => name.startsWith('value_head.')) },
      [Symbol.dispose]: () => {},
    }
  const opened = await openModel(model.path, { ...config, ...config.data, dtype: model.dtype, valueHead: true })
  try {
    await prepareCritic(opened.model, model.freeze)
    const noDecay = opened.model.parameters().flatMap(({ name }) => (matches(name, settings.noDecay) ? [name] : []))
    const optimizer = await Optimizer.create(opened.model, {
      ...{ ...settings, noDecay, seed: config.seed, offload: config.train.offload.optimizer },
    })
    const trained = new Set(opened.model.parameters().flatMap((p) => (p.trainable ? [p.name] : [])))
    return {
      critic: { model: opened.model, optimizer },
      companion: { name: 'critic', model: only(opened.model, (name) => trained.has(name)), optimizer },
      [Symbol.dispose]: () => {
        optimizer.dispose()
        opened.dispose()
      },
    }
  } catch (error) {
    opened.dispose()
    throw error
  }
}

/** Freezes what a critic does not use or the run does not train. */
export async function prepareCritic(model: Model, frozen: readonly string[]): Promise<void> {
  await freezeBase(model)
  const names = model.parameters().map(({ name }) => name)
  const unused = names.filter((name) => name === 'decoder.head.weight' || frozen.some((f) => name.startsWith(f)))
  await model.setTrainable(unused, false)
}

const matches = (name: string, parts: readonly string[]) => parts.some((part) => name.includes(part))

/** The model as a checkpoint sees it when only some of its parameters are kept. */
function only(model: Model, keep: (name: string) => boolean): SavableModel {
  return {
    parameters: () => model.parameters().filter(({ name }) => keep(name)),
    save: (file, header, sinks) => model.save(file, header, sinks),
    load: (sources) => model.load(sources),
  }
}
