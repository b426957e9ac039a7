/**
 * What the model is told about thinking (CLS-RL and No-Thinking-RL, Li et al. 2025, arXiv 2503.16188), and the rewards that
 * go with it. Prompt templates for `data.template`.
 */
export interface ThinkingTemplate {
  readonly name: string
  readonly template: string
  /** Rewards that fit it: without thinking there is no format to reward. */
  readonly rewards: readonly { readonly name: string; readonly weight: number }[]
}

export const thinkingTemplates: readonly ThinkingTemplate[] = [
  {
    name: 'think',
    template:
      '{problem}\nPlease output the thinking process in <think> </think> and final answer in <answer> </answer> tags.',
    rewards: [
      { name: 'accuracy', weight: 1 },
      { name: 'format', weight: 1 },
    ],
  },
  {
    name: 'no_think',
    template: '{problem}\nPlease directly output the answer.',
    rewards: [{ name: 'exact', weight: 1 }],
  },
  {
    name: 'adaptive',
    template:
      '{problem}\nIf the question needs it, think inside <think> </think> first, otherwise leave it out. Give the final answer inside <answer> </answer>.',
    rewards: [{ name: 'accuracy', weight: 1 }],
  },
]
