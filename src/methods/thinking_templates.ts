/**
 * What the model is told about thinking (CLS-RL and No-Thinking-RL, Li et al. 2025, arXiv 2503.16188), and the rewards that
 * go with it: without thinking there is no format to reward. The presets `thinking`, `no_thinking` and `adaptive_thinking` put
 * them into `data.template` and `rewards`.
 */
export interface ThinkingTemplate {
  readonly template: string
  readonly rewards: readonly { readonly name: string }[]
}

export const thinkingTemplates = {
  think: {
    template:
      '{problem}\nPlease output the thinking process in <think> </think> and final answer in <answer> </answer> tags.',
    rewards: [{ name: 'accuracy' }, { name: 'format' }],
  },
  no_think: {
    template: '{problem}\nPlease directly output the answer.',
    rewards: [{ name: 'exact' }],
  },
  adaptive: {
    template:
      '{problem}\nIf the question needs it, think inside <think> </think> first, otherwise leave it out. Give the final answer inside <answer> </answer>.',
    rewards: [{ name: 'accuracy' }],
  },
} as const satisfies Record<string, ThinkingTemplate>

export type ThinkingName = keyof typeof thinkingTemplates
